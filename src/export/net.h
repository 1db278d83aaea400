/* A network as a file for use elsewhere. The file's ending says how (net.c has the table); beside it lies its SHA-256,
 * as `sha256sum -c` reads it. */
#ifndef MN_EXPORT_NET_H
#define MN_EXPORT_NET_H

#include "modnas/onnx.h"
#include "module/model.h"

typedef struct mn_net {
    mn_model *model;                /* committed, without mixed ops */
    int32_t input[3];               /* C, H, W of an image */
    const double *mean, *stddev;    /* C each: a network takes (pixel / 255 - mean) / stddev; NULL: not known */
    const char *const *class_names; /* as many as the model has outputs; NULL: not known */
    const char *preprocessing;      /* the same as JSON, for files that cannot do it themselves; NULL: not known */
    const char *const *metadata;    /* key, value, ..., NULL: what is told beside */
    const modnas_onnx_opts *onnx;   /* of .onnx files; NULL: defaults */
} mn_net;

int mn_net_check_path(modnas_ctx *ctx, const char *path); /* MODNAS_EINVAL: no such ending; names those that there are */
/* Replace `path`, read it back, check it, and write PATH.sha256; sha256: what is in there. */
int mn_net_write(const mn_net *net, const char *path, char sha256[65]);

/* Write PATH.sha256 of the bytes of a file; what is in there goes to sha256, too. */
int mn_net_write_sum(modnas_ctx *ctx, const char *path, const void *bytes, size_t n, char sha256[65]);

/* safetensors: plain F32 (O, I, H, W), names of the module tree. */
int mn_net_write_safetensors(const mn_net *net, const char *path);
int mn_net_check_safetensors(const mn_net *net, const char *path);
/* ONNX; where mean and stddev are known the file takes pixels from 0 to 1, or bytes. */
int mn_net_write_onnx(const mn_net *net, const char *path);

#endif
