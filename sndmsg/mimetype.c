/* See mimetype.h. */
#include "sndmsg/mimetype.h"

#include <string.h>

/* Formats that say what they are. */
static const struct {
    const char *octets;
    size_t n;
    const char *type;
} magic[] = {
#define MAGIC(octets, type)                                                                        \
    {                                                                                              \
        octets, sizeof(octets) - 1, type                                                           \
    }
    MAGIC("%PDF-", "application/pdf"),
    MAGIC("\x89PNG\r\n\x1A\n", "image/png"),
    MAGIC("\xFF\xD8\xFF", "image/jpeg"),
    MAGIC("GIF87a", "image/gif"),
    MAGIC("GIF89a", "image/gif"),
    MAGIC("II*\0", "image/tiff"),
    MAGIC("MM\0*", "image/tiff"),
    MAGIC("\x1F\x8B", "application/gzip"),
    MAGIC("BZh", "application/x-bzip2"),
    MAGIC("\xFD"
          "7zXZ\0",
          "application/x-xz"),
    MAGIC("7z\xBC\xAF\x27\x1C", "application/x-7z-compressed"),
    MAGIC("%!PS", "application/postscript"),
    MAGIC("\x7F"
          "ELF",
          "application/octet-stream"),
    MAGIC("OggS", "application/ogg"),
    MAGIC("ID3", "audio/mpeg"),
};

/* Endings of names, for what has no such mark or, as the kinds of ZIP, shares it. */
static const struct {
    const char *ending, *type;
    bool text; /* of what is no text the ending is not believed */
} endings[] = {
    {".csv", "text/csv", true},
    {".htm", "text/html", true},
    {".html", "text/html", true},
    {".ics", "text/calendar", true},
    {".vcf", "text/vcard", true},
    {".css", "text/css", true},
    {".md", "text/markdown", true},
    {".json", "application/json", false},
    {".xml", "application/xml", false},
    {".eml", "text/plain", true},
    {".rtf", "application/rtf", false},
    {".svg", "image/svg+xml", false},
    {".zip", "application/zip", false},
    {".tar", "application/x-tar", false},
    {".doc", "application/msword", false},
    {".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", false},
    {".xls", "application/vnd.ms-excel", false},
    {".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", false},
    {".ppt", "application/vnd.ms-powerpoint", false},
    {".pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation", false},
    {".odt", "application/vnd.oasis.opendocument.text", false},
    {".ods", "application/vnd.oasis.opendocument.spreadsheet", false},
    {".webp", "image/webp", false},
    {".bmp", "image/bmp", false},
    {".mp3", "audio/mpeg", false},
    {".wav", "audio/x-wav", false},
    {".mp4", "video/mp4", false},
};

const char *mimetype_of(struct span head, struct span name, enum mimetype_text text)
{
    for (size_t i = 0; i < sizeof(magic) / sizeof(magic[0]); i++)
        if (head.n >= magic[i].n && memcmp(head.p, magic[i].octets, magic[i].n) == 0)
            return magic[i].type;
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        struct span ending = span_of(endings[i].ending);
        if (name.n <= ending.n || !span_eq_nocase(span_from(name, name.n - ending.n), ending))
            continue;
        if (!endings[i].text || text != MIMETYPE_BINARY)
            return endings[i].type;
    }
    return text != MIMETYPE_BINARY ? "text/plain" : "application/octet-stream";
}
