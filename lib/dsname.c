/* See dsname.h. */
#include "lib/dsname.h"

#include <string.h>

enum {
    EPOCH_2000 = 946684800, /* 2000-01-01T00:00:00Z */
    DAY = 86400
};

static bool leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

uint64_t dsname_stamp(int64_t wall)
{
    if (wall < EPOCH_2000)
        wall = EPOCH_2000;
    return (uint64_t)(wall - EPOCH_2000) * DSNAME_PER_SECOND + 1;
}

uint64_t dsname_next(uint64_t stamp)
{
    stamp++;
    return stamp % 10000 == 0 ? stamp + 1 : stamp;
}

int64_t dsname_wall(uint64_t stamp)
{
    return (int64_t)(stamp / DSNAME_PER_SECOND) + EPOCH_2000;
}

/* Days since 2000-01-01 to year and day of year (1-366). */
static void julian(int64_t days, int64_t *year, int *day)
{
    int64_t y = 2000 + days / 366; /* never too late; the loop moves it on */
    int64_t first = (y - 2000) * 365 + (y - 2000 + 3) / 4 - (y - 2001) / 100 + (y - 2001) / 400;

    while (days - first >= 365 + leap(y)) {
        first += 365 + leap(y);
        y++;
    }
    *year = y;
    *day = (int)(days - first) + 1;
}

/* The last digits of a number. */
static char *put(char *at, uint64_t n, unsigned digits)
{
    for (unsigned i = digits; i > 0; n /= 10)
        at[--i] = (char)('0' + n % 10);
    return at + digits;
}

static char *put_letter(char *at, char letter)
{
    *at++ = '.';
    *at++ = letter;
    return at;
}

bool dsname_format(struct span prefix, uint64_t stamp, char out[DSNAME_MAX + 1])
{
    uint64_t second = stamp / DSNAME_PER_SECOND, rest = stamp % DSNAME_PER_SECOND;
    unsigned in_day = (unsigned)(second % DAY);
    int64_t year;
    int day;

    out[0] = '\0';
    if (!dsname_valid(prefix, DSNAME_PREFIX_MAX))
        return false;
    julian((int64_t)(second / DAY), &year, &day);
    memcpy(out, prefix.p, prefix.n);
    char *at = put(put_letter(out + prefix.n, 'D'), (uint64_t)year, 2);
    at = put(put_letter(put(at, (uint64_t)day, 3), 'T'), in_day / 3600, 2);
    at = put(put(put(at, in_day / 60 % 60, 2), in_day % 60, 2), rest / 10000, 1);
    *put(put_letter(at, 'N'), rest % 10000, 4) = '\0';
    return true;
}

/* A letter, then digits up to the next period: one qualifier of the name, whose length was looked
 * at before. */
static bool qualifier(struct span *rest, char letter, size_t digits, uint64_t *value)
{
    if (rest->p[0] != '.' || rest->p[1] != letter)
        return false;
    if (!span_number((struct span){rest->p + 2, digits}, UINT64_MAX, value))
        return false;
    *rest = span_from(*rest, digits + 2);
    return true;
}

bool dsname_parse(struct span prefix, struct span name, uint64_t *stamp)
{
    uint64_t date, time, n;

    if (name.n != prefix.n + DSNAME_SUFFIX || !span_eq((struct span){name.p, prefix.n}, prefix))
        return false;
    struct span rest = span_from(name, prefix.n);
    if (!qualifier(&rest, 'D', 5, &date) || !qualifier(&rest, 'T', 7, &time) ||
        !qualifier(&rest, 'N', 4, &n) || n == 0)
        return false;
    int64_t year = 2000 + (int64_t)(date / 1000), day = (int64_t)(date % 1000);
    uint64_t hour = time / 100000, minute = time / 1000 % 100, second = time / 10 % 100;
    if (day < 1 || day > 365 + leap(year) || hour > 23 || minute > 59 || second > 59)
        return false;
    /* Within one century every fourth year is a leap year, 2000 among them. */
    uint64_t days = (uint64_t)((year - 2000) * 365 + (year - 2000 + 3) / 4 + day - 1);
    *stamp = (days * DAY + hour * 3600 + minute * 60 + second) * DSNAME_PER_SECOND +
             time % 10 * 10000 + n;
    return true;
}

static bool national(char c)
{
    return (c >= 'A' && c <= 'Z') || c == '@' || c == '#' || c == '$';
}

bool dsname_valid(struct span name, size_t max)
{
    struct span part, rest = name;

    if (name.n == 0 || name.n > max)
        return false;
    while (span_cut(&rest, '.', &part)) {
        if (part.n == 0 || part.n > 8 || !national(part.p[0]))
            return false;
        for (size_t i = 1; i < part.n; i++)
            if (!national(part.p[i]) && part.p[i] != '-' && (part.p[i] < '0' || part.p[i] > '9'))
                return false;
    }
    return true;
}
