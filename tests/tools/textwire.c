/* textwire: standard input, the text of a mail data set, becomes what USMTP sends after DATA.
 *
 *     textwire [--asa] [--8bitmime] [--smtputf8] [--chunk OCTETS] [--needs | --effectors | --bench
 * TIMES]
 *
 * --8bitmime and --smtputf8: what the peer offers; --chunk: the text is fed in pieces of that many
 * octets (default: all at once). --needs prints what must be encoded instead; --effectors the text
 * as a notice quotes it; --bench the nanoseconds that a conversion takes. */
#include <getopt.h>
#include <time.h>

#include "tests/tools/tool.h"
#include "usmtp/text.h"

struct options {
    bool asa, eight_bit, utf8, needs, effectors;
    uint64_t chunk, bench;
};

static void read_options(struct options *o, int argc, char **argv)
{
    static const struct option known[] = {
        {"asa", no_argument, NULL, 'a'},         {"8bitmime", no_argument, NULL, '8'},
        {"smtputf8", no_argument, NULL, 'u'},    {"chunk", required_argument, NULL, 'c'},
        {"needs", no_argument, NULL, 'n'},       {"effectors", no_argument, NULL, 'e'},
        {"bench", required_argument, NULL, 'b'}, {NULL, 0, NULL, 0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (c == '?')
            exit(TOOL_BROKEN);
        o->asa |= c == 'a';
        o->eight_bit |= c == '8';
        o->utf8 |= c == 'u';
        o->needs |= c == 'n';
        o->effectors |= c == 'e';
        if (c == 'c')
            o->chunk = tool_number("--chunk", optarg, 1 << 30);
        if (c == 'b')
            o->bench = tool_number("--bench", optarg, 1 << 30);
    }
    if (optind < argc)
        tool_die(0, "the text comes on standard input, not from %s", argv[optind]);
}

static void read_all(struct buf *text)
{
    size_t n;

    do {
        if (!buf_reserve(text, 65536))
            tool_die(ENOMEM, "the text");
        n = fread(text->data + text->len, 1, 65536, stdin);
        text->len += n;
    } while (n > 0);
    if (ferror(stdin))
        tool_die(errno, "standard input");
}

static struct span next_chunk(struct span *rest, uint64_t chunk)
{
    struct span part = *rest;

    if (chunk > 0 && chunk < part.n)
        part.n = (size_t)chunk;
    *rest = span_from(*rest, part.n);
    return part;
}

static unsigned find_needs(const struct options *o, struct span rest)
{
    struct text_facts facts;

    text_scan_begin(&facts, o->asa);
    while (rest.n > 0)
        text_scan(&facts, next_chunk(&rest, o->chunk));
    text_scan_end(&facts);
    return text_needs(&facts, o->eight_bit, o->utf8);
}

static void convert(const struct options *o, struct span rest, struct buf *out)
{
    struct text *t = text_begin(o->asa, find_needs(o, rest));
    bool good = t != NULL;

    while (good && rest.n > 0)
        good = text_feed(t, next_chunk(&rest, o->chunk), out);
    if (!good || !text_end(t, out))
        tool_die(ENOMEM, "the conversion");
    text_free(t);
}

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void bench(const struct options *o, struct span text, struct buf *out)
{
    int64_t start = now_ns();

    for (uint64_t i = 0; i < o->bench; i++) {
        buf_clear(out);
        convert(o, text, out);
    }
    printf("%lld ns\n", (long long)((now_ns() - start) / (int64_t)o->bench));
}

int main(int argc, char **argv)
{
    struct options o = {0};
    struct buf text = {0}, out = {0};
    bool first = true;

    read_options(&o, argc, argv);
    read_all(&text);
    if (o.needs)
        buf_printf(&out, "%u\n", find_needs(&o, BUF_SPAN(&text)));
    else if (o.effectors)
        text_effectors(BUF_SPAN(&text), &out, &first);
    else if (o.bench > 0)
        bench(&o, BUF_SPAN(&text), &out);
    else
        convert(&o, BUF_SPAN(&text), &out);
    if (o.bench == 0 && out.len > 0 && fwrite(out.data, 1, out.len, stdout) != out.len)
        tool_die(errno, "standard output");
    buf_free(&text);
    buf_free(&out);
    return fflush(stdout) == 0 ? 0 : TOOL_BROKEN;
}
