/* Reading a folder of cases. Every number of cases.txt is checked against cases.bin before it is used; the first fault
 * ends the reading with file, line and reason.
 *
 *     case SUITE/NAME
 *     op OPERATOR DOMAIN VERSION
 *     attr KEY=VALUE ...                  (or: attr -)
 *     in  NAME TYPE RANK SHAPE OFFSET BYTES        out likewise; an input that is left out: in - none 0 - 0 0
 *     end
 */
#include <stdlib.h>
#include <string.h>

#include "cases.h"

typedef struct reader {
    modnas_ctx *ctx;
    const char *folder;
    const unsigned char *bin;
    size_t bin_bytes;
    int32_t line;
    cs_case c;
    int32_t inside; /* a case is open */
    mn_vec cases, in, out;
} reader;

static int bad(reader *r, const char *what, const char *value) {
    return mn_fail(r->ctx, MODNAS_EFORMAT, "%s/cases.txt:%d: %s '%.80s'", r->folder, (int)r->line, what, value);
}

/* The next word of a line, 0-terminated in place; "" at its end. */
static char *word(char **at) {
    char *start = *at + strspn(*at, " \t\r");
    char *end = start + strcspn(start, " \t\r");
    *at = *end ? end + 1 : end;
    *end = 0;
    return start;
}

static int whole_number(const char *text, int64_t max, int64_t *out) {
    int64_t n = 0;
    if (!*text) return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9') return -1;
        if (n > (max - (*text - '0')) / 10) return -1;
        n = n * 10 + (*text - '0');
    }
    *out = n;
    return 0;
}

enum { F32, F64, I64, I32, B8, N_TYPES };
static const char *const type_names[N_TYPES] = {"f32", "f64", "i64", "i32", "b8"};
static const size_t type_bytes[N_TYPES] = {4, 8, 8, 4, 1};

/* Little-endian, unaligned. */
static double element(int type, const unsigned char *p) {
    union {
        float f32;
        double f64;
        int64_t i64;
        int32_t i32;
        unsigned char b8;
    } u = {.i64 = 0};
    memcpy(&u, p, type_bytes[type]);
    switch (type) {
    case F32:
        return (double)u.f32;
    case F64:
        return u.f64;
    case I64:
        return (double)u.i64;
    case I32:
        return u.i32;
    default:
        return u.b8;
    }
}

static int read_shape(reader *r, char *shape, cs_tensor *t) {
    const int64_t max = INT64_C(1) << 40;
    t->n = 1;
    if (strcmp(shape, "-") == 0) return t->rank == 0 ? 0 : bad(r, "no shape for a rank above 0:", shape);
    int32_t n = 0;
    for (char *at = shape; at; n++) {
        char *comma = strchr(at, ',');
        if (comma) *comma = 0;
        if (n >= t->rank || whole_number(at, max, &t->dims[n])) return bad(r, "shape does not fit the rank at", at);
        if (t->dims[n] > 0 && t->n > max / t->dims[n]) return bad(r, "too many elements at", at);
        t->n *= t->dims[n];
        at = comma ? comma + 1 : NULL;
    }
    return n == t->rank ? 0 : bad(r, "shape is shorter than the rank:", shape);
}

static int read_values(reader *r, int type, int64_t offset, int64_t bytes, cs_tensor *t) {
    if ((uint64_t)offset > r->bin_bytes || (uint64_t)bytes > r->bin_bytes - (uint64_t)offset)
        return bad(r, "values lie outside cases.bin:", t->name);
    if ((uint64_t)bytes != (uint64_t)t->n * type_bytes[type])
        return bad(r, "bytes do not fit shape and type of", t->name);
    t->v = mn_alloc(r->ctx, (size_t)t->n + 1, sizeof *t->v);
    if (!t->v) return MODNAS_ENOMEM;
    for (int64_t i = 0; i < t->n; i++) t->v[i] = element(type, r->bin + offset + i * (int64_t)type_bytes[type]);
    return 0;
}

static int read_tensor(reader *r, char *at, mn_vec *list) {
    cs_tensor t;
    memset(&t, 0, sizeof t);
    char *name = word(&at), *type_name = word(&at), *rank = word(&at), *shape = word(&at);
    char *offset_text = word(&at), *bytes_text = word(&at);
    int64_t offset, bytes, n_dims;
    int type = 0;
    while (type < N_TYPES && strcmp(type_names[type], type_name) != 0) type++;
    const int left_out = strcmp(type_name, "none") == 0;
    if (type == N_TYPES && !left_out) return bad(r, "unknown type", type_name);
    if (strlen(name) >= sizeof t.name) return bad(r, "name is too long:", name);
    if (whole_number(rank, CS_MAX_RANK, &n_dims)) return bad(r, "rank is not 0..8:", rank);
    if (whole_number(offset_text, INT64_MAX / 16, &offset)) return bad(r, "offset is not a number:", offset_text);
    if (whole_number(bytes_text, INT64_MAX / 16, &bytes)) return bad(r, "bytes is not a number:", bytes_text);
    strcpy(t.name, name);
    t.given = !left_out;
    t.is_f64 = type == F64;
    t.rank = (int32_t)n_dims;
    if (t.given) MN_TRY(read_shape(r, shape, &t));
    if (t.given) MN_TRY(read_values(r, type, offset, bytes, &t));
    if (mn_vec_push(r->ctx, list, &t, 1)) return 0;
    mn_free(r->ctx, t.v);
    return MODNAS_ENOMEM;
}

static int open_case(reader *r, char *at) {
    const char *name = word(&at);
    if (r->inside) return bad(r, "the case before has no end:", r->c.name);
    if (!*name || strlen(name) >= sizeof r->c.name) return bad(r, "name of a case:", name);
    memset(&r->c, 0, sizeof r->c);
    strcpy(r->c.name, name);
    r->c.attrs = "";
    r->inside = 1;
    return 0;
}

static int read_op(reader *r, char *at) {
    const char *op = word(&at), *domain = word(&at), *version = word(&at);
    if (!*op || strlen(op) >= sizeof r->c.op || strlen(domain) >= sizeof r->c.domain) return bad(r, "operator:", op);
    strcpy(r->c.op, op);
    strcpy(r->c.domain, domain);
    r->c.version = (int32_t)strtol(version, NULL, 10); /* of "2.15.0": 2 */
    return 0;
}

static int close_case(reader *r) {
    cs_case c = r->c;
    if (!*c.op) return bad(r, "no operator in case", c.name);
    c.n_in = (int32_t)r->in.n;
    c.n_out = (int32_t)r->out.n;
    c.in = r->in.data;
    c.out = r->out.data;
    if (!mn_vec_push(r->ctx, &r->cases, &c, 1)) return MODNAS_ENOMEM;
    mn_vec_init(&r->in, sizeof(cs_tensor)); /* the arrays are the case's now */
    mn_vec_init(&r->out, sizeof(cs_tensor));
    r->inside = 0;
    return 0;
}

static int read_line(reader *r, char *line) {
    line[strcspn(line, "\r")] = 0;
    char *at = line;
    const char *what = word(&at);
    if (!*what || *what == '#') return 0;
    if (strcmp(what, "case") == 0) return open_case(r, at);
    if (!r->inside) return bad(r, "outside of a case:", what);
    if (strcmp(what, "op") == 0) return read_op(r, at);
    if (strcmp(what, "in") == 0) return read_tensor(r, at, &r->in);
    if (strcmp(what, "out") == 0) return read_tensor(r, at, &r->out);
    if (strcmp(what, "end") == 0) return close_case(r);
    if (strcmp(what, "attr") != 0) return bad(r, "unknown word", what);
    at += strspn(at, " \t");
    r->c.attrs = strcmp(at, "-") == 0 ? "" : at;
    return 0;
}

static void free_tensors(modnas_ctx *ctx, cs_tensor *t, int32_t n) {
    for (int32_t i = 0; i < n; i++) mn_free(ctx, t[i].v);
    mn_free(ctx, t);
}

void cs_file_free(cs_file *f) {
    for (int32_t i = 0; i < f->n_cases; i++) {
        free_tensors(f->ctx, f->cases[i].in, f->cases[i].n_in);
        free_tensors(f->ctx, f->cases[i].out, f->cases[i].n_out);
    }
    mn_free(f->ctx, f->cases);
    mn_free(f->ctx, f->text);
    memset(f, 0, sizeof *f);
}

static int read_text(reader *r, char *text) {
    for (char *line = text; line;) {
        char *end = strchr(line, '\n');
        if (end) *end = 0;
        r->line++;
        MN_TRY(read_line(r, line));
        line = end ? end + 1 : NULL;
    }
    return r->inside ? bad(r, "the file ends inside case", r->c.name) : 0;
}

static int read_file(modnas_ctx *ctx, const char *folder, const char *name, char **data, size_t *bytes) {
    mn_str path = {.ctx = ctx};
    mn_str_addf(&path, "%s/%s", folder, name);
    char *text = mn_str_take(&path);
    if (!text) return MODNAS_ENOMEM;
    const int rc = mn_file_read(ctx, text, (size_t)1 << 31, data, bytes);
    mn_free(ctx, text);
    return rc;
}

int cs_file_read(modnas_ctx *ctx, const char *folder, cs_file *out) {
    reader r = {.ctx = ctx, .folder = folder};
    char *bin = NULL;
    size_t text_bytes;
    cs_file f = {.ctx = ctx};
    mn_vec_init(&r.cases, sizeof(cs_case));
    mn_vec_init(&r.in, sizeof(cs_tensor));
    mn_vec_init(&r.out, sizeof(cs_tensor));
    int rc = read_file(ctx, folder, "cases.txt", &f.text, &text_bytes);
    if (!rc) rc = read_file(ctx, folder, "cases.bin", &bin, &r.bin_bytes);
    r.bin = (const unsigned char *)bin;
    if (!rc && strlen(f.text) != text_bytes) rc = bad(&r, "a zero byte in the text", "");
    if (!rc) rc = read_text(&r, f.text);
    free_tensors(ctx, r.in.data, (int32_t)r.in.n);
    free_tensors(ctx, r.out.data, (int32_t)r.out.n);
    mn_free(ctx, bin);
    f.cases = r.cases.data;
    f.n_cases = (int32_t)r.cases.n;
    if (rc) {
        cs_file_free(&f);
        return rc;
    }
    *out = f;
    return 0;
}
