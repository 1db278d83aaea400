// Go through cgo and the C headers: CGO_CFLAGS=-Iinclude CGO_LDFLAGS="-L... -lmodnas" go run host.go
// A backbone with callbacks, one step of ask and tell, frees in the wrong order, an error's text.
package main

/*
#include <modnas/modnas.h>
#include <stdlib.h>

int goBuild(modnas_module *m, modnas_args *args, void *ud);
int goForward(modnas_module *m, modnas_tape *tape, modnas_value **src, int32_t n, modnas_value **dst, void *ud);
int goSample(int64_t index, float *dst, int32_t *label, void *ud);

static int register_net(modnas_ctx *ctx) {
    const modnas_module_vt vt = {sizeof vt, (int (*)(modnas_module *, const modnas_args *, void *))goBuild,
                                 (int (*)(modnas_module *, modnas_tape *, modnas_value *const *, int32_t, modnas_value **, void *))goForward};
    const modnas_component net = {sizeof net, "model", "GoNet", NULL, NULL, &vt, NULL, NULL};
    const modnas_data_source data = {sizeof data, 16, {1, 6, 6}, 2, 0, 0, goSample, NULL, NULL};
    const int rc = modnas_registry_register(ctx, &net);
    return rc ? rc : modnas_data_register(ctx, "GoData", &data);
}
static int add(modnas_module *m, const char *name, const char *type, const char *args) {
    return modnas_module_add(m, name, type, *args ? args : NULL, NULL);
}
*/
import "C"

import (
	"fmt"
	"os"
	"strings"
	"unsafe"
)

var layers = [][3]string{
	{"stem", "ConvBNAct", "in_channels: 1, out_channels: 8"},
	{"slot", "Slot", "chn_in: 8, chn_out: 8"},
	{"pool", "GlobalAvgPool", ""},
	{"fc", "Linear", "in_features: 8, out_features: 2"},
}

// Texts that live as long as the program.
var texts = map[string]*C.char{}

func text(s string) *C.char {
	if texts[s] == nil {
		texts[s] = C.CString(s)
	}
	return texts[s]
}

//export goBuild
func goBuild(m *C.modnas_module, args *C.modnas_args, ud unsafe.Pointer) C.int {
	rc := C.modnas_model_set_input(C.modnas_module_model(m), 1, 6, 6)
	for _, l := range layers {
		if rc == 0 {
			rc = C.add(m, text(l[0]), text(l[1]), text(l[2]))
		}
	}
	return rc
}

//export goForward
func goForward(m *C.modnas_module, tape *C.modnas_tape, src **C.modnas_value, n C.int32_t, dst **C.modnas_value, ud unsafe.Pointer) C.int {
	x := *src
	for _, l := range layers {
		if rc := C.modnas_forward(C.modnas_module_child(m, text(l[0])), tape, x, &x); rc != 0 {
			return rc
		}
	}
	*dst = x
	return 0
}

//export goSample
func goSample(index C.int64_t, dst *C.float, label *C.int32_t, ud unsafe.Pointer) C.int {
	*label = C.int32_t(index % 2)
	pixels := unsafe.Slice((*float32)(dst), 36)
	for i := range pixels {
		pixels[i] = float32(i % (2 + int(*label)))
	}
	return 0
}

const yaml = `
backend: ref
threads: 1
model: GoNet
mixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB3E3]}
train_data: GoData
data_loader: {type: DefaultDataLoader, args: {trn_batch_size: 4, val_batch_size: 4, valid_size: 4}}
trainer: {default: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 0.1}}}}}
optim: RandomSearchOptim
`

var ctx *C.modnas_ctx

func check(status C.int) {
	if status != 0 {
		fmt.Fprintln(os.Stderr, status, C.GoString(C.modnas_errmsg(ctx)))
		os.Exit(1)
	}
}

func main() {
	var cfg, bad *C.modnas_config
	var search *C.modnas_search
	var arch *C.modnas_arch
	var n C.int32_t
	var loss C.double
	var metrics [8]C.modnas_metric
	check(C.modnas_ctx_new(nil, &ctx))
	check(C.register_net(ctx))
	check(C.modnas_config_new(ctx, &cfg))
	check(C.modnas_config_add_text(cfg, text(yaml), C.size_t(len(yaml)), text("go")))
	check(C.modnas_search_new(cfg, nil, &search))
	check(C.modnas_search_ask(search, 1, &arch, &n))
	check(C.modnas_search_train(search, arch, 2, &loss))
	check(C.modnas_search_evaluate(search, arch, &metrics[0], 8, &n))
	check(C.modnas_search_tell(search, arch, 0, &metrics[0], n))
	check(C.modnas_config_new(ctx, &bad))
	check(C.modnas_config_add_text(bad, text("modle: GoNet\n"), 13, text("go")))
	if C.modnas_config_check(bad) != C.MODNAS_ECONFIG || !strings.Contains(C.GoString(C.modnas_errmsg(ctx)), "go:1") {
		fmt.Fprintln(os.Stderr, "not refused:", C.GoString(C.modnas_errmsg(ctx)))
		os.Exit(1)
	}
	C.modnas_ctx_free(ctx)
	C.modnas_config_free(cfg)
	C.modnas_config_free(bad)
	C.modnas_search_free(search)
	C.modnas_arch_free(arch)
	fmt.Println("Go: an architecture asked for, trained, told; loss", loss)
}
