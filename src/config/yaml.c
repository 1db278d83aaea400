/* YAML documents to trees: a normaliser on libyaml's events.
 *
 * libyaml cuts the text into events; here they become nodes with places and core types, anchors are expanded into
 * copies, merge keys (`<<`) are applied, and what has no meaning for us (duplicate keys, keys that are no scalars,
 * cycles) is refused. A copied alias is charged with its size, so that a few lines cannot expand into gigabytes.
 *
 *   text --yaml_stream.c--> documents --yaml_strict.c--> (refuses, blanks for tabs) --libyaml events--> here --> a tree
 *
 * libyaml has its own memory; it lives only as long as the call. */
#include <stdio.h>
#include <string.h>

#include "config/yaml.h"

enum {
    EXPANDED_MAX = 100000,         /* nodes that aliases may add to a document, */
    EXPANDED_BYTES_MAX = 16 << 20, /* and bytes of strings and keys in them */
    VALUES_MAX = 1000000,          /* nodes in a text: each takes about a hundred bytes, if it was a byte of text */
};

typedef struct extent {
    size_t n_nodes, n_bytes; /* n_bytes: of strings and keys */
    int depth;
} extent;

typedef struct anchor {
    const mn_node *node; /* NULL while it is being read */
    extent size;
} anchor;

typedef struct reader {
    mn_yaml_source src;
    yaml_parser_t parser;
    mn_vec anchors; /* of the document */
    mn_map names;   /* of anchors: the index of the last one of a name, plus 1 */
    mn_node *trash; /* values of merge keys: anchors may point into them until the document ends */
    size_t n_expanded, n_expanded_bytes;
} reader;

int mn_yaml_fail(const mn_yaml_source *src, size_t line, const char *fmt, ...) {
    char text[600];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (!src->lines) return mn_fail(src->ctx, MODNAS_ECONFIG, "%s: %s", src->file, text);
    return mn_fail(src->ctx, MODNAS_ECONFIG, "%s:%zu: %s", src->file, src->line0 + line, text);
}

int mn_yaml_parser_fail(const mn_yaml_source *src, const yaml_parser_t *p) {
    if (p->error == YAML_MEMORY_ERROR)
        return mn_fail(src->ctx, MODNAS_ENOMEM, "out of memory while reading %s", src->file);
    size_t line = p->problem_mark.line + 1;
    if (p->error == YAML_READER_ERROR) {
        line = 1;
        for (size_t i = 0; i < p->problem_offset && i < src->bytes; i++) line += src->text[i] == '\n';
    }
    return mn_yaml_fail(src, line, "%s%s%s", p->context ? p->context : "", p->context ? ": " : "",
                        p->problem ? p->problem : "this is no YAML");
}

static int next_event(reader *r, yaml_event_t *e) {
    if (yaml_parser_parse(&r->parser, e)) return 0;
    return mn_yaml_parser_fail(&r->src, &r->parser);
}

static size_t line_of(const yaml_event_t *e) {
    return e->start_mark.line + 1;
}

static int place(const reader *r, mn_node *n, size_t line) {
    return mn_node_place(r->src.ctx, n, r->src.file, r->src.lines ? (int32_t)(r->src.line0 + line) : 0);
}

/* ---- anchors ---- */

static const anchor *find_anchor(const reader *r, const char *name) {
    const size_t place = (uintptr_t)mn_map_get(&r->names, name);
    return place ? &MN_AT(r->anchors, anchor, place - 1) : NULL;
}

/* Note that an anchored node begins; *index is where, SIZE_MAX if there is no anchor. */
static int open_anchor(reader *r, const yaml_char_t *name, size_t *index) {
    *index = SIZE_MAX;
    if (!name) return 0;
    if (!mn_vec_push(r->src.ctx, &r->anchors, NULL, 1)) return MODNAS_ENOMEM;
    *index = r->anchors.n - 1;
    return mn_map_put(r->src.ctx, &r->names, (const char *)name, (void *)(uintptr_t)r->anchors.n);
}

static extent measure(const mn_node *n) {
    extent total = {1, n->text ? strlen(n->text) : 0, 0};
    for (size_t i = 0; i < n->n; i++) {
        const extent e = measure(n->items[i]);
        total.n_nodes += e.n_nodes;
        total.n_bytes += e.n_bytes + (n->keys ? strlen(n->keys[i]) : 0);
        if (e.depth > total.depth) total.depth = e.depth;
    }
    total.depth++;
    return total;
}

static void close_anchor(reader *r, size_t index, const mn_node *n) {
    if (index == SIZE_MAX) return;
    anchor *a = &MN_AT(r->anchors, anchor, index);
    a->node = n;
    a->size = measure(n);
}

static int read_alias(reader *r, const yaml_event_t *e, int depth, mn_node **out) {
    const char *name = (const char *)e->data.alias.anchor;
    const anchor *a = find_anchor(r, name);
    const size_t line = line_of(e);
    if (!a) return mn_yaml_fail(&r->src, line, "no anchor '&%s' comes before this alias", name);
    if (!a->node) return mn_yaml_fail(&r->src, line, "'*%s' contains itself", name);
    if (depth + a->size.depth > MN_YAML_DEPTH_MAX)
        return mn_yaml_fail(&r->src, line, "more than %d levels deep", MN_YAML_DEPTH_MAX);
    if (a->size.n_nodes > EXPANDED_MAX - r->n_expanded)
        return mn_yaml_fail(&r->src, line, "aliases expand to more than %d values", EXPANDED_MAX);
    if (a->size.n_bytes > EXPANDED_BYTES_MAX - r->n_expanded_bytes)
        return mn_yaml_fail(&r->src, line, "aliases expand to more than %d bytes of text", EXPANDED_BYTES_MAX);
    r->n_expanded += a->size.n_nodes;
    r->n_expanded_bytes += a->size.n_bytes;
    *out = mn_node_copy(r->src.ctx, a->node);
    return *out ? 0 : MODNAS_ENOMEM;
}

static void drop(reader *r) {
    mn_vec_free(r->src.ctx, &r->anchors);
    mn_map_free(r->src.ctx, &r->names);
    mn_node_free(r->src.ctx, r->trash);
}

/* ---- maps ---- */

/* Put a value under a key: at its place (which is kept in `places`, plus 1) if it has one, else at the end. Takes it.
 */
static int put(reader *r, mn_node *map, mn_map *places, const char *key, mn_node *value) {
    const size_t place = (uintptr_t)mn_map_get(places, key);
    if (place) {
        mn_node_free(r->src.ctx, map->items[place - 1]);
        map->items[place - 1] = value;
        return 0;
    }
    MN_TRY(mn_node_push(r->src.ctx, map, key, value));
    return mn_map_put(r->src.ctx, places, key, (void *)(uintptr_t)map->n);
}

/* Add what `from` has and `map` lacks. */
static int merge_missing(reader *r, mn_node *map, mn_map *places, const mn_node *from, size_t line) {
    if (from->kind != MN_MAP) return mn_yaml_fail(&r->src, line, "'<<' wants a map or a list of maps");
    for (size_t i = 0; i < from->n; i++)
        if (!mn_map_get(places, from->keys[i]))
            MN_TRY(put(r, map, places, from->keys[i], mn_node_copy(r->src.ctx, from->items[i])));
    return 0;
}

/* The value of a merge key: merged keys come first, in the order of their maps; the map's own values win and move over.
 */
static int apply_merge(reader *r, mn_node *map, const mn_node *value, size_t line) {
    modnas_ctx *ctx = r->src.ctx;
    mn_map places = {0};
    mn_node *all = mn_node_new(ctx, MN_MAP);
    if (!all) return MODNAS_ENOMEM;
    int rc = 0;
    const size_t n = value->kind == MN_SEQ ? value->n : 1;
    for (size_t i = 0; i < n && !rc; i++)
        rc = merge_missing(r, all, &places, value->kind == MN_SEQ ? value->items[i] : value, line);
    for (size_t i = 0; i < map->n && !rc; i++) {
        mn_node *own = map->items[i];
        map->items[i] = NULL;
        rc = put(r, all, &places, map->keys[i], own);
    }
    if (!rc) {
        const mn_node old = *map;
        map->n = all->n;
        map->items = all->items;
        map->keys = all->keys;
        all->n = old.n;
        all->items = old.items;
        all->keys = old.keys;
    }
    mn_map_free(ctx, &places);
    mn_node_free(ctx, all);
    return rc;
}

static int keep_until_end(reader *r, mn_node *n) {
    if (!r->trash && !(r->trash = mn_node_new(r->src.ctx, MN_SEQ))) {
        mn_node_free(r->src.ctx, n);
        return MODNAS_ENOMEM;
    }
    return mn_node_add(r->src.ctx, r->trash, n);
}

static int read_node(reader *r, const yaml_event_t *e, int depth, mn_node **out);

/* The node that comes next. */
static int read_next(reader *r, int depth, mn_node **out) {
    yaml_event_t e;
    MN_TRY(next_event(r, &e));
    const int rc = read_node(r, &e, depth, out);
    yaml_event_delete(&e);
    return rc;
}

static int is_merge_key(const yaml_event_t *e) {
    return e->type == YAML_SCALAR_EVENT && e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !e->data.scalar.tag &&
           e->data.scalar.length == 2 && memcmp(e->data.scalar.value, "<<", 2) == 0;
}

/* One `key: value` whose key began with e. *merge takes the value of a merge key. */
static int read_pair(reader *r, const yaml_event_t *e, int depth, mn_node *map, mn_map *seen, mn_node **merge) {
    const size_t line = line_of(e);
    mn_node *key = NULL, *value = NULL;
    MN_TRY(read_node(r, e, depth, &key));
    MN_TRY(keep_until_end(r, key)); /* it may have an anchor */
    if (key->kind == MN_NULL) return mn_yaml_fail(&r->src, line, "a key is empty or null");
    if (key->kind > MN_STR) return mn_yaml_fail(&r->src, line, "a key is %s", mn_node_kind_name(key->kind));
    if (mn_map_get(seen, key->text)) return mn_yaml_fail(&r->src, line, "key '%.80s' is there twice", key->text);
    MN_TRY(mn_map_put(r->src.ctx, seen, key->text, map));
    MN_TRY(read_next(r, depth, &value));
    if (is_merge_key(e)) {
        *merge = value;
        return keep_until_end(r, value);
    }
    if (r->src.lines) value->line = (int32_t)(r->src.line0 + line);
    return mn_node_push(r->src.ctx, map, key->text, value);
}

static int read_map(reader *r, int depth, mn_node *map) {
    mn_map seen = {0};
    mn_node *merge = NULL;
    yaml_event_t e;
    int rc;
    while ((rc = next_event(r, &e)) == 0 && e.type != YAML_MAPPING_END_EVENT) {
        rc = read_pair(r, &e, depth, map, &seen, &merge);
        yaml_event_delete(&e);
        if (rc) break;
    }
    if (!rc) yaml_event_delete(&e);
    if (!rc && merge) rc = apply_merge(r, map, merge, (size_t)merge->line - r->src.line0);
    mn_map_free(r->src.ctx, &seen);
    return rc;
}

/* ---- lists, scalars, the document ---- */

static int read_list(reader *r, int depth, mn_node *list) {
    for (;;) {
        yaml_event_t e;
        MN_TRY(next_event(r, &e));
        mn_node *item = NULL;
        const int end = e.type == YAML_SEQUENCE_END_EVENT;
        int rc = end ? 0 : read_node(r, &e, depth, &item);
        yaml_event_delete(&e);
        if (end) return 0;
        if (!rc) rc = mn_node_add(r->src.ctx, list, item);
        if (rc) return rc;
    }
}

/* A list or map that e begins; its tag may only say what it is. */
static int read_container(reader *r, const yaml_event_t *e, int depth, mn_node **out) {
    const int map = e->type == YAML_MAPPING_START_EVENT;
    const char *tag = (const char *)(map ? e->data.mapping_start.tag : e->data.sequence_start.tag);
    MN_TRY(mn_yaml_check_tag(&r->src, line_of(e), tag, map ? MN_MAP : MN_SEQ));
    if (depth >= MN_YAML_DEPTH_MAX)
        return mn_yaml_fail(&r->src, line_of(e), "more than %d levels deep", MN_YAML_DEPTH_MAX);
    size_t index;
    MN_TRY(open_anchor(r, map ? e->data.mapping_start.anchor : e->data.sequence_start.anchor, &index));
    mn_node *n = mn_node_new(r->src.ctx, map ? MN_MAP : MN_SEQ);
    if (!n) return MODNAS_ENOMEM;
    int rc = place(r, n, line_of(e));
    if (!rc) rc = map ? read_map(r, depth + 1, n) : read_list(r, depth + 1, n);
    if (rc) {
        mn_node_free(r->src.ctx, n);
        return rc;
    }
    close_anchor(r, index, n);
    *out = n;
    return 0;
}

static int read_scalar(reader *r, const yaml_event_t *e, mn_node **out) {
    mn_node *n;
    const int quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    size_t index;
    MN_TRY(mn_yaml_scalar(&r->src, line_of(e), (const char *)e->data.scalar.value, e->data.scalar.length,
                          (const char *)e->data.scalar.tag, quoted, &n));
    int rc = place(r, n, line_of(e));
    if (!rc) rc = open_anchor(r, e->data.scalar.anchor, &index);
    if (rc) {
        mn_node_free(r->src.ctx, n);
        return rc;
    }
    close_anchor(r, index, n);
    *out = n;
    return 0;
}

static int read_node(reader *r, const yaml_event_t *e, int depth, mn_node **out) {
    if (++*r->src.n_values > VALUES_MAX) return mn_yaml_fail(&r->src, line_of(e), "more than %d values", VALUES_MAX);
    if (e->type == YAML_ALIAS_EVENT) return read_alias(r, e, depth, out);
    return e->type == YAML_SCALAR_EVENT ? read_scalar(r, e, out) : read_container(r, e, depth, out);
}

/* The node between the events of a document's start and end. */
static int read_events(reader *r, mn_node **doc) {
    for (int end = 0; !end;) {
        yaml_event_t e;
        MN_TRY(next_event(r, &e));
        end = e.type == YAML_STREAM_END_EVENT;
        const int starts = e.type == YAML_DOCUMENT_START_EVENT;
        yaml_event_delete(&e);
        if (starts) MN_TRY(read_next(r, 0, doc));
    }
    return 0;
}

int mn_yaml_document(const mn_yaml_source *src, mn_node **doc) {
    mn_node *node = NULL;
    MN_TRY(mn_yaml_strict(src));
    reader r = {.src = *src};
    mn_vec_init(&r.anchors, sizeof(anchor));
    if (!yaml_parser_initialize(&r.parser))
        return mn_fail(src->ctx, MODNAS_ENOMEM, "out of memory while reading %s", src->file);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)src->scan, src->bytes);
    const int rc = read_events(&r, &node);
    yaml_parser_delete(&r.parser);
    drop(&r);
    if (rc)
        mn_node_free(src->ctx, node);
    else
        *doc = node;
    return rc;
}
