/* PNG by libpng, JPEG by libjpeg-turbo, both to RGB. Errors of both jump back to where decoding began. */
#include "data/picture.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jpeglib.h>
#include <jerror.h>
#include <png.h>

static int fail(char *why, const char *text) {
    snprintf(why, MN_PICTURE_WHY, "%s", text);
    return -1;
}

static int make_room(mn_picture *p, uint64_t w, uint64_t h, char *why) {
    if (!w || !h || w > MN_PICTURE_PIXELS || h > MN_PICTURE_PIXELS || w * h > MN_PICTURE_PIXELS) {
        snprintf(why, MN_PICTURE_WHY, "%llu x %llu pixels, %d are the most", (unsigned long long)w,
                 (unsigned long long)h, MN_PICTURE_PIXELS);
        return -1;
    }
    p->w = (int32_t)w;
    p->h = (int32_t)h;
    p->rgb = malloc((size_t)(3 * w * h));
    return p->rgb ? 0 : fail(why, "out of memory");
}

void mn_picture_free(mn_picture *p) {
    free(p->rgb);
    p->rgb = NULL;
}

/* ---- PNG ----------------------------------------------------------------------------------------------- */

typedef struct png_job {
    const uint8_t *bytes;
    size_t n, at;
    mn_picture *out;
    char *why;
} png_job;

static void png_failed(png_structp png, png_const_charp text) {
    fail(((png_job *)png_get_error_ptr(png))->why, text);
    png_longjmp(png, 1);
}

static void png_warned(png_structp png, png_const_charp text) {
    (void)png, (void)text;
}

static void png_take(png_structp png, png_bytep to, size_t n) {
    png_job *j = png_get_io_ptr(png);
    if (n > j->n - j->at) png_error(png, "the file is cut short");
    memcpy(to, j->bytes + j->at, n);
    j->at += n;
}

static void png_rows(png_structp png, png_infop info, png_job *j) {
    png_set_read_fn(png, j, png_take);
    png_read_info(png, info);
    png_set_expand(png);
    png_set_strip_16(png);
    png_set_strip_alpha(png);
    png_set_gray_to_rgb(png);
    const int passes = png_set_interlace_handling(png);
    png_read_update_info(png, info);
    if (make_room(j->out, png_get_image_width(png, info), png_get_image_height(png, info), j->why)) png_longjmp(png, 1);
    const size_t row = 3 * (size_t)j->out->w;
    if (png_get_rowbytes(png, info) != row) png_error(png, "rows of another length");
    for (int pass = 0; pass < passes; pass++)
        for (int32_t y = 0; y < j->out->h; y++) png_read_row(png, j->out->rgb + (size_t)y * row, NULL);
    png_read_end(png, NULL);
}

static int decode_png(png_job *j) {
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, j, png_failed, png_warned);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info || setjmp(png_jmpbuf(png))) {
        if (!info) fail(j->why, "out of memory");
        png_destroy_read_struct(&png, &info, NULL);
        return -1;
    }
    png_rows(png, info, j);
    png_destroy_read_struct(&png, &info, NULL);
    return 0;
}

/* ---- JPEG ---------------------------------------------------------------------------------------------- */

typedef struct jpeg_job {
    struct jpeg_error_mgr mgr; /* first: libjpeg hands out its address */
    jmp_buf back;
    struct jpeg_decompress_struct d;
    const uint8_t *bytes;
    size_t n;
    mn_picture *out;
    char *why;
} jpeg_job;

static void jpeg_failed(j_common_ptr c) {
    jpeg_job *j = (jpeg_job *)c->err;
    char text[JMSG_LENGTH_MAX];
    c->err->format_message(c, text);
    fail(j->why, text);
    longjmp(j->back, 1);
}

/* Warnings are of damage that it makes something up for: an end that comes too early is none that we let pass. */
static void jpeg_warned(j_common_ptr c, int level) {
    if (level < 0 && (c->err->msg_code == JWRN_JPEG_EOF || c->err->msg_code == JWRN_HIT_MARKER)) jpeg_failed(c);
}

static void jpeg_says(j_common_ptr c) {
    (void)c;
}

/* Adobe's files have the inks the other way round. */
static void cmyk_row(const uint8_t *cmyk, int32_t w, int is_adobe, uint8_t *rgb) {
    for (int32_t x = 0; x < w; x++, cmyk += 4, rgb += 3)
        for (int k = 0; k < 3; k++) {
            const int ink = is_adobe ? cmyk[k] : 255 - cmyk[k], black = is_adobe ? cmyk[3] : 255 - cmyk[3];
            rgb[k] = (uint8_t)((ink * black + 127) / 255);
        }
}

static void jpeg_rows(jpeg_job *j) {
    struct jpeg_decompress_struct *d = &j->d;
    jpeg_mem_src(d, j->bytes, (unsigned long)j->n);
    jpeg_read_header(d, TRUE);
    const int inks = d->jpeg_color_space == JCS_CMYK || d->jpeg_color_space == JCS_YCCK;
    d->out_color_space = inks ? JCS_CMYK : JCS_RGB;
    if (make_room(j->out, d->image_width, d->image_height, j->why)) longjmp(j->back, 1);
    jpeg_start_decompress(d);
    JSAMPARRAY line = d->mem->alloc_sarray((j_common_ptr)d, JPOOL_IMAGE, 4 * d->output_width, 1);
    while (d->output_scanline < d->output_height) {
        uint8_t *row = j->out->rgb + 3 * (size_t)d->output_scanline * d->output_width;
        jpeg_read_scanlines(d, inks ? line : &row, 1);
        if (inks) cmyk_row(line[0], j->out->w, d->saw_Adobe_marker, row);
    }
    jpeg_finish_decompress(d);
}

static int decode_jpeg(jpeg_job *j) {
    j->d.err = jpeg_std_error(&j->mgr);
    j->mgr.error_exit = jpeg_failed;
    j->mgr.emit_message = jpeg_warned;
    j->mgr.output_message = jpeg_says;
    if (setjmp(j->back)) {
        jpeg_destroy_decompress(&j->d);
        return -1;
    }
    jpeg_create_decompress(&j->d);
    jpeg_rows(j);
    jpeg_destroy_decompress(&j->d);
    return 0;
}

/* ---- either -------------------------------------------------------------------------------------------- */

int mn_picture_decode(const void *bytes, size_t n, mn_picture *out, char why[MN_PICTURE_WHY]) {
    static const uint8_t png[] = {0x89, 'P', 'N', 'G', 13, 10, 26, 10}, jpeg[] = {0xff, 0xd8, 0xff};
    mn_picture p = {0, 0, NULL};
    int rc;
    if (n >= sizeof png && memcmp(bytes, png, sizeof png) == 0) {
        png_job j = {.bytes = bytes, .n = n, .out = &p, .why = why};
        rc = decode_png(&j);
    } else if (n >= sizeof jpeg && memcmp(bytes, jpeg, sizeof jpeg) == 0) {
        jpeg_job j = {.bytes = bytes, .n = n, .out = &p, .why = why};
        rc = decode_jpeg(&j);
    } else {
        rc = fail(why, n ? "neither PNG nor JPEG" : "the file is empty");
    }
    if (rc)
        mn_picture_free(&p);
    else
        *out = p;
    return rc;
}

static int read_all(int fd, char **bytes, size_t *n, char *why) {
    struct stat s;
    size_t got = 0;
    if (fstat(fd, &s)) return fail(why, strerror(errno));
    if (!S_ISREG(s.st_mode)) return fail(why, "no file");
    char *all = malloc((size_t)s.st_size + 1);
    if (!all) return fail(why, "out of memory");
    while (got < (size_t)s.st_size) {
        const ssize_t k = read(fd, all + got, (size_t)s.st_size - got);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) break;
        got += (size_t)k;
    }
    *bytes = all;
    *n = got;
    return 0;
}

int mn_picture_read(const char *path, mn_picture *out, char **bytes, size_t *n, char why[MN_PICTURE_WHY]) {
    char *all = NULL;
    size_t size = 0;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail(why, strerror(errno));
    int rc = read_all(fd, &all, &size, why);
    close(fd);
    if (!rc) rc = mn_picture_decode(all, size, out, why);
    if (rc || !bytes) {
        free(all);
    } else {
        *bytes = all;
        *n = size;
    }
    return rc;
}
