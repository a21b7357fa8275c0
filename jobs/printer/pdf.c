/* See pdf.h. A character that the font has is one glyph, looked up once. All others go through
 * pango, which finds another font and shapes them; a run is laid out once and kept, since words and
 * ideographs come again. */
#include "jobs/printer/pdf.h"

#include <cairo-pdf.h>
#include <errno.h>
#include <pango/pangocairo.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/charset.h"
#include "lib/durable.h"

/* Points. */
static const double paper_width = 1071, line_height = 12, column_width = 7.2;
static const double left_margin = (1071 - PAGE_COLUMNS * 7.2) / 2;
static const double strip = 36, hole_radius = 5.5, hole_apart = 36, bar_height = 36;
static const double type_size = 10.8, baseline = 9.3, strike_apart = 0.35;

enum {
    DIRECT_CODES = 0x2C00, /* looked up in the font itself; what is above it is left to pango */
    FIRST_RTL = 0x0590,    /* scripts from here on are joined or reordered: pango's too */
    LAST_RTL = 0x1FFF,
    KEPT_RUNS = 4096,
    WRITE_AT_ONCE = 1 << 16
};

struct glyphs {
    bool known[DIRECT_CODES];
    unsigned long index[DIRECT_CODES]; /* 0: the font has none */
};

struct pdf {
    cairo_t *cr;
    cairo_scaled_font_t *font;
    PangoLayout *layout;
    GHashTable *kept; /* text -> PangoLayout */
    struct glyphs glyphs;
    struct {
        cairo_glyph_t glyph[PAGE_COLUMNS];
        cairo_text_cluster_t cluster[PAGE_COLUMNS];
        int count;
        struct buf text;
    } line;             /* of glyphs not yet shown */
    struct buf pending; /* octets not yet written */
    int fd, error;
};

/* cairo writes a few octets at a time. */
static bool flush_octets(struct pdf *pdf)
{
    if (!pdf->pending.failed && durable_write(pdf->fd, pdf->pending.data, pdf->pending.len) == 0) {
        buf_clear(&pdf->pending);
        return true;
    }
    pdf->error = pdf->pending.failed ? ENOMEM : errno;
    return false;
}

static cairo_status_t write_octets(void *arg, const unsigned char *octets, unsigned n)
{
    struct pdf *pdf = arg;

    buf_add(&pdf->pending, octets, n);
    return pdf->error != 0 || (pdf->pending.len >= WRITE_AT_ONCE && !flush_octets(pdf))
               ? CAIRO_STATUS_WRITE_ERROR
               : CAIRO_STATUS_SUCCESS;
}

static void draw_hole(cairo_t *cr, double x, double y)
{
    cairo_new_sub_path(cr);
    cairo_arc(cr, x, y, hole_radius, 0, 2 * G_PI);
}

/* Bars begin below the first three lines, which hold the heading. */
static void draw_paper(const struct pdf *pdf, double height)
{
    cairo_t *cr = pdf->cr;

    cairo_set_source_rgb(cr, 0.86, 0.95, 0.87);
    for (int i = 1; i * bar_height < height; i += 2) {
        double room = height - i * bar_height;
        cairo_rectangle(cr, strip, i * bar_height, paper_width - 2 * strip,
                        bar_height < room ? bar_height : room);
    }
    cairo_fill(cr);
    cairo_set_source_rgb(cr, 0.75, 0.75, 0.75);
    cairo_set_line_width(cr, 0.5);
    for (int i = 0; (i + 0.5) * hole_apart < height; i++) {
        draw_hole(cr, strip / 2, (i + 0.5) * hole_apart);
        draw_hole(cr, paper_width - strip / 2, (i + 0.5) * hole_apart);
    }
    for (int side = 0; side < 2; side++) {
        cairo_move_to(cr, side ? paper_width - strip : strip, 0);
        cairo_line_to(cr, side ? paper_width - strip : strip, height);
    }
    cairo_stroke(cr);
    cairo_set_source_rgb(cr, 0.1, 0.1, 0.15);
}

static unsigned long find_glyph(struct pdf *pdf, struct span text, uint32_t code)
{
    struct glyphs *g = &pdf->glyphs;

    if (!g->known[code]) {
        cairo_glyph_t found, *glyph = &found;
        int n = 1;
        g->known[code] = true;
        if (cairo_scaled_font_text_to_glyphs(pdf->font, 0, 0, text.p, (int)text.n, &glyph, &n, NULL,
                                             NULL, NULL) == CAIRO_STATUS_SUCCESS) {
            g->index[code] = n == 1 ? glyph->index : 0;
            if (glyph != &found)
                cairo_glyph_free(glyph);
        }
    }
    return g->index[code];
}

/* The glyph of a cell that is one narrow character of the font; 0: pango's. */
static unsigned long direct_glyph(struct pdf *pdf, const struct cell *c)
{
    uint32_t code;

    if (c->width != 1 || utf8_char(c->text, &code) != c->text.n || code >= DIRECT_CODES ||
        (code >= FIRST_RTL && code <= LAST_RTL))
        return 0;
    return find_glyph(pdf, c->text, code);
}

static double column_x(size_t column)
{
    return left_margin + (double)column * column_width;
}

static void add_glyph(struct pdf *pdf, unsigned long index, struct span text, double x, double y)
{
    int i = pdf->line.count++;

    pdf->line.glyph[i] = (cairo_glyph_t){index, x, y};
    pdf->line.cluster[i] = (cairo_text_cluster_t){(int)text.n, 1};
    buf_addspan(&pdf->line.text, text);
}

static void show_glyphs(struct pdf *pdf)
{
    if (pdf->line.text.failed)
        pdf->error = ENOMEM;
    else if (pdf->line.count > 0)
        cairo_show_text_glyphs(pdf->cr, pdf->line.text.data, (int)pdf->line.text.len,
                               pdf->line.glyph, pdf->line.count, pdf->line.cluster, pdf->line.count,
                               (cairo_text_cluster_flags_t)0);
    pdf->line.count = 0;
    buf_clear(&pdf->line.text);
}

/* A run as pango lays it out; owned by the table. */
static PangoLayout *lay_out(struct pdf *pdf, struct span text)
{
    char *key = g_strndup(text.p, text.n);
    PangoLayout *layout = g_hash_table_lookup(pdf->kept, key);

    if (layout != NULL) {
        g_free(key);
        return layout;
    }
    if (g_hash_table_size(pdf->kept) >= KEPT_RUNS)
        g_hash_table_remove_all(pdf->kept);
    layout = pango_layout_copy(pdf->layout);
    pango_layout_set_text(layout, text.p, (int)text.n);
    g_hash_table_insert(pdf->kept, key, layout);
    return layout;
}

/* Narrow cells that pango draws together, with the blanks between them, so that scripts that join
 * or run from right to left do so. */
struct run {
    struct span text;
    size_t column, columns;
};

/* Wider than its columns: made narrower. A single ideograph stands in the middle of its two. */
static void draw_run(struct pdf *pdf, struct run *run, double x, double y, bool centred)
{
    double room = (double)run->columns * column_width, width;
    PangoRectangle extents;

    if (run->text.n == 0)
        return;
    PangoLayoutLine *line = pango_layout_get_line_readonly(lay_out(pdf, run->text), 0);
    pango_layout_line_get_extents(line, NULL, &extents);
    width = (double)extents.width / PANGO_SCALE;
    cairo_save(pdf->cr);
    cairo_translate(pdf->cr, column_x(run->column) + x, y);
    if (width > room)
        cairo_scale(pdf->cr, room / width, 1);
    cairo_move_to(pdf->cr, centred && width < room ? (room - width) / 2 : 0, 0);
    pango_cairo_show_layout_line(pdf->cr, line);
    cairo_restore(pdf->cr);
    run->text.n = 0;
}

static void extend_run(struct run *run, const struct cell *c, size_t column)
{
    if (run->text.n == 0)
        *run = (struct run){c->text, column, 0};
    run->text.n = (size_t)(c->text.p - run->text.p) + c->text.n;
    run->columns = column + c->width - run->column;
}

static void draw_strike(struct pdf *pdf, struct span text, double x, double y)
{
    struct run run = {0};
    struct cell c;

    for (size_t column = 0; cell_next(&text, &c) && column + c.width <= PAGE_COLUMNS;
         column += c.width) {
        unsigned long index;
        if (span_eq(c.text, SPAN(" ")) || c.width == 0)
            continue;
        if ((index = direct_glyph(pdf, &c)) != 0) {
            draw_run(pdf, &run, x, y, false);
            add_glyph(pdf, index, c.text, column_x(column) + x, y);
        } else if (c.width == 1) {
            extend_run(&run, &c, column);
        } else {
            struct run wide = {c.text, column, c.width};
            draw_run(pdf, &run, x, y, false);
            draw_run(pdf, &wide, x, y, true);
        }
    }
    draw_run(pdf, &run, x, y, false);
    show_glyphs(pdf);
}

static void draw_page(struct pdf *pdf, const struct pages *p, const struct page *page)
{
    const struct strike *s = p->strike + page->strike;
    unsigned over = 0;

    draw_paper(pdf, p->lines * line_height);
    for (size_t i = 0; i < page->strikes; i++) {
        over = i > 0 && s[i].line == s[i - 1].line ? over + 1 : 0;
        draw_strike(pdf, strike_text(p, &s[i]), over * strike_apart,
                    (s[i].line - 1) * line_height + baseline);
    }
    cairo_show_page(pdf->cr);
}

static cairo_scaled_font_t *scaled_font(cairo_font_face_t *face, double width)
{
    cairo_font_options_t *options = cairo_font_options_create();
    cairo_matrix_t size, device;

    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
    cairo_matrix_init_scale(&size, width, type_size);
    cairo_matrix_init_identity(&device);
    cairo_scaled_font_t *font = cairo_scaled_font_create(face, &size, &device, options);
    cairo_font_options_destroy(options);
    return font;
}

/* The font, stretched so that its characters are a column wide. */
static cairo_scaled_font_t *open_font(cairo_t *cr)
{
    cairo_text_extents_t m = {0};

    cairo_select_font_face(cr, PDF_FONT, CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    cairo_scaled_font_t *font = scaled_font(cairo_get_font_face(cr), type_size);
    cairo_scaled_font_text_extents(font, "M", &m);
    cairo_scaled_font_destroy(font);
    double width = m.x_advance > 0 ? type_size * column_width / m.x_advance : type_size;
    return scaled_font(cairo_get_font_face(cr), width);
}

static PangoLayout *open_layout(cairo_t *cr)
{
    PangoLayout *layout = pango_cairo_create_layout(cr);
    PangoFontDescription *font = pango_font_description_from_string(PDF_FONT ", monospace");

    pango_font_description_set_absolute_size(font, type_size * PANGO_SCALE);
    pango_layout_set_font_description(layout, font);
    pango_font_description_free(font);
    return layout;
}

static cairo_surface_t *open_surface(struct pdf *pdf, double height, const char *title,
                                     int64_t made)
{
    cairo_surface_t *surface =
        cairo_pdf_surface_create_for_stream(write_octets, pdf, paper_width, height);
    char date[40];
    time_t t = made;
    struct tm tm;

    cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_TITLE, title);
    cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_CREATOR, "spoolmail printer");
    if (gmtime_r(&t, &tm) != NULL && strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &tm) > 0)
        cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_CREATE_DATE, date);
    return surface;
}

/* Draws all and gives back all. */
static cairo_status_t draw(struct pdf *pdf, const struct pages *p, cairo_surface_t *surface)
{
    pdf->cr = cairo_create(surface);
    pdf->font = open_font(pdf->cr);
    pdf->layout = open_layout(pdf->cr);
    pdf->kept = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_object_unref);
    cairo_set_scaled_font(pdf->cr, pdf->font);
    for (size_t i = 0; i < p->count && cairo_status(pdf->cr) == CAIRO_STATUS_SUCCESS; i++)
        draw_page(pdf, p, &p->page[i]);
    cairo_status_t status = cairo_status(pdf->cr);
    g_hash_table_destroy(pdf->kept);
    g_object_unref(pdf->layout);
    cairo_scaled_font_destroy(pdf->font);
    cairo_destroy(pdf->cr);
    cairo_surface_finish(surface);
    return status == CAIRO_STATUS_SUCCESS ? cairo_surface_status(surface) : status;
}

bool pdf_write(const struct pages *p, const char *title, int64_t made, int fd, const char **why)
{
    struct pdf *pdf = g_new0(struct pdf, 1);

    pdf->fd = fd;
    cairo_surface_t *surface = open_surface(pdf, p->lines * line_height, title, made);
    cairo_status_t status = draw(pdf, p, surface);
    if (status == CAIRO_STATUS_SUCCESS && !flush_octets(pdf))
        status = CAIRO_STATUS_WRITE_ERROR;
    cairo_surface_destroy(surface);
    buf_free(&pdf->line.text);
    buf_free(&pdf->pending);
    *why = status == CAIRO_STATUS_SUCCESS ? NULL : cairo_status_to_string(status);
    errno = pdf->error;
    g_free(pdf);
    return *why == NULL;
}
