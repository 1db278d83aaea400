# libmodnas: one non-recursive Makefile.
#   make            build/release/{libmodnas.so, modnas, modnas-plugins/}        make demo   search on real data
#   make check      set up, build, run all tests                                 make deps   install what is missing
#   make tests      build tests and benchmarks       make check-headers check-symbols        make demo-compare
#   make fuzz       look for inputs that break readers (docs/testing.md)   FUZZ_SECONDS=60 FUZZ_TARGETS='yaml idx ...'
#   make check-tsan    all tests under the thread sanitizer        make check-valgrind    a short search under valgrind
#   make install uninstall        DESTDIR= prefix=/usr/local bindir= libdir= includedir= datadir=
#   make bench      measure (docs/performance.md)    make bench-deps   what it compares with     make bench-page
#   VARIANT=release|debug|asan|tsan        CC=gcc|clang        ONEDNN_ROOT=folder with include/ and lib/        Q= shows the commands
# Sources are found by folder; a new file needs no line here.

VARIANT ?= release
B       := build/$(VARIANT)
CC      ?= cc
ifeq ($(origin CXX),default)
CXX     := $(if $(findstring clang,$(CC)),clang++,c++)
endif
Q       ?= @

version_part = $(shell sed -n 's/^.define MODNAS_VERSION_$(1) *//p' include/modnas/version.h)
MAJOR   := $(call version_part,MAJOR)
VERSION := $(MAJOR).$(call version_part,MINOR).$(call version_part,PATCH)
MAP     := libmodnas.map
ifneq ($(shell sed -n 's/^MODNAS_\([0-9.]*\) {.*/\1/p' $(MAP) | tail -n 1),$(MAJOR).$(call version_part,MINOR))
$(error the last node of $(MAP) is not MODNAS_$(MAJOR).$(call version_part,MINOR), the version of include/modnas/version.h)
endif

WARN    := -Wall -Wextra -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Werror
OPT_release := -O2 -g -DNDEBUG
OPT_debug   := -O0 -g -DMN_DEBUG
OPT_asan    := -O1 -g -DMN_DEBUG -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
OPT_tsan    := -O1 -g -fsanitize=thread
OPT_fuzz    := $(OPT_asan) -fsanitize=fuzzer-no-link
OPT     := $(OPT_$(VARIANT))
$(if $(OPT),,$(error VARIANT is release, debug, asan, tsan or fuzz, not '$(VARIANT)'))
CFLAGS  := -std=c11 -D_GNU_SOURCE -fPIC -fvisibility=hidden -ffp-contract=off -MMD -MP -ffile-prefix-map=$(CURDIR)=. $(OPT) $(WARN) $(EXTRA_CFLAGS)
INC_lib := -Iinclude -Ilib
INC_src := -Iinclude -Ilib -Isrc
INC_cli := -Iinclude
INC_tests := -Iinclude -Ilib -Isrc -Itests -Ibench
INC_bench := $(INC_tests)
# Image folders: where headers and libraries lie is pkg-config's to know.
PICTURE := libpng libjpeg
LIBS    := -lprotobuf-c -lcyaml -lyaml $(or $(shell pkg-config --libs $(PICTURE) 2>/dev/null),-lpng -ljpeg) -lz -lm -lpthread -ldl
$(B)/obj/src/data/picture.o: INC_src += $(shell pkg-config --cflags $(PICTURE) 2>/dev/null)
SAN     := $(filter -fsanitize=%,$(OPT))
DEFS    := $(if $(SAN),,-Wl,-z,defs)

LIB_SRC := $(filter-out lib/backend/ref/% lib/backend/dnnl/% lib/backend/cudnn/%,$(wildcard lib/*/*.c lib/*/*/*.c))
SRC_SRC := $(filter-out src/cli/%,$(wildcard src/*/*.c))
REF_SRC := $(wildcard lib/backend/ref/*.c)
CLI_SRC := $(wildcard src/cli/*.c)
PROTO   := $(wildcard src/*/*.proto)
LIB_OBJ := $(LIB_SRC:%.c=$(B)/obj/%.o) $(SRC_SRC:%.c=$(B)/obj/%.o) $(PROTO:%.proto=$(B)/obj/%.pb-c.o) $(REF_SRC:%.c=$(B)/obj/%.f32.o) $(REF_SRC:%.c=$(B)/obj/%.f64.o)

all: $(B)/libmodnas.so $(B)/modnas plugins
plugins: $(B)/modnas-plugins/modnas-dnnl.so

# ---- the library ------------------------------------------------------------------------------------------------------
# Each file of the reference backend is compiled once for f32 and once for f64.
OPT_ref := $(if $(filter release,$(VARIANT)),-O3)
$(B)/obj/lib/backend/ref/%.f32.o: lib/backend/ref/%.c
	@mkdir -p $(@D)
	@echo "  cc    $<"
	$(Q)$(CC) $(CFLAGS) $(OPT_ref) $(INC_lib) -DMN_REAL=float -DMN_REAL_IS_F32=1 -c $< -o $@
$(B)/obj/lib/backend/ref/%.f64.o: lib/backend/ref/%.c
	@mkdir -p $(@D)
	@echo "  cc    $<"
	$(Q)$(CC) $(CFLAGS) $(OPT_ref) $(INC_lib) -DMN_REAL=double -DMN_REAL_IS_F32=0 -c $< -o $@
$(B)/obj/lib/%.o: lib/%.c
	@mkdir -p $(@D)
	@echo "  cc    $<"
	$(Q)$(CC) $(CFLAGS) $(INC_lib) -c $< -o $@
# src/x/y.proto becomes y.pb-c.c and y.pb-c.h, "x/y.pb-c.h" of those who are named below.
$(B)/gen/%.pb-c.c $(B)/gen/%.pb-c.h: src/%.proto
	@mkdir -p $(@D)
	@echo "  proto $<"
	$(Q)protoc-c --proto_path=src --c_out=$(B)/gen $<
$(B)/obj/src/%.pb-c.o: $(B)/gen/%.pb-c.c
	@mkdir -p $(@D)
	@echo "  cc    $<"
	$(Q)$(CC) $(CFLAGS) -I$(B)/gen -c $< -o $@
# Who includes them, and which.
EVENT_OBJ := $(B)/obj/src/export/events.o
ONNX_OBJ  := $(patsubst %.c,$(B)/obj/%.o,$(wildcard src/export/onnx*.c tests/test_onnx*.c))
$(EVENT_OBJ) $(ONNX_OBJ): private CFLAGS += -I$(B)/gen
$(EVENT_OBJ): $(B)/gen/export/event.pb-c.h
$(ONNX_OBJ): $(B)/gen/export/onnx.pb-c.h
$(B)/obj/src/cli/%.o: src/cli/%.c
	@mkdir -p $(@D)
	@echo "  cc    $<"
	$(Q)$(CC) $(CFLAGS) $(INC_cli) -c $< -o $@
$(B)/obj/src/%.o: src/%.c
	@mkdir -p $(@D)
	@echo "  cc    $<"
	$(Q)$(CC) $(CFLAGS) $(INC_src) -c $< -o $@

$(B)/libmodnas.so.$(VERSION): $(LIB_OBJ) $(MAP)
	@echo "  link  $@"
	$(Q)$(CC) $(OPT) -shared -o $@ $(LIB_OBJ) $(LIBS) -Wl,-soname,libmodnas.so.$(MAJOR) -Wl,--version-script=$(MAP) -Wl,--exclude-libs,ALL -Wl,-Bsymbolic -Wl,--as-needed $(DEFS)
$(B)/libmodnas.so: $(B)/libmodnas.so.$(VERSION)
	$(Q)ln -sf $(<F) $(B)/libmodnas.so.$(MAJOR)
	$(Q)ln -sf libmodnas.so.$(MAJOR) $@
# Everything of the library in an archive: tests reach inside through it.
$(B)/libmodnas.a: $(LIB_OBJ)
	@rm -f $@
	@echo "  link  $@"
	$(Q)ar rcs $@ $(LIB_OBJ)

# ---- the oneDNN plug-in -------------------------------------------------------------------------------------------------
ONEDNN_ROOT ?= $(if $(wildcard build/deps/onednn/include/dnnl.h),build/deps/onednn)
DNNL_INC := $(if $(ONEDNN_ROOT),-I$(ONEDNN_ROOT)/include)
DNNL_LIB := $(if $(ONEDNN_ROOT),-L$(ONEDNN_ROOT)/lib)
DNNL_SRC := $(wildcard lib/backend/dnnl/*.c)
DNNL_OBJ := $(DNNL_SRC:%.c=$(B)/obj/%.o) $(B)/obj/lib/backend/dnnl/onednn.o
CXXFLAGS := $(patsubst -std=%,-std=c++17,$(filter-out -Wstrict-prototypes -Wmissing-prototypes,$(CFLAGS)))
ISA_avx2   := -mavx2 -mfma
ISA_avx512 := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma
# The thread sanitizer does not see libgomp's barriers: there our own parallel loops run on one thread, oneDNN's as ever.
OPENMP     := $(if $(filter %=thread,$(SAN)),-Wno-unknown-pragmas,-fopenmp)
# A file named *_avx512.c or *_avx2.c is compiled for that instruction set and only called where the CPU has it.
$(B)/obj/lib/backend/dnnl/%.o: lib/backend/dnnl/%.c
	@mkdir -p $(@D)
	@echo "  cc    $<"
	$(Q)$(CC) $(CFLAGS) $(if $(SAN),,-O3) $(OPENMP) $(INC_lib) $(DNNL_INC) $(ISA_$(lastword $(subst _, ,$*))) -c $< -o $@
$(B)/obj/lib/backend/dnnl/onednn.o: lib/backend/dnnl/onednn.cpp
	@mkdir -p $(@D)
	@echo "  c++   $<"
	$(Q)$(CXX) $(CXXFLAGS) $(INC_lib) $(DNNL_INC) -c $< -o $@
$(B)/modnas-plugins/modnas-dnnl.so: $(DNNL_OBJ)
	@mkdir -p $(@D)
	@echo "  link  $@"
	$(Q)$(CC) $(OPT) -shared -fopenmp -o $@ $(DNNL_OBJ) $(DNNL_LIB) -ldnnl -lstdc++ -lm -Wl,-z,nodelete -Wl,-rpath,'$$ORIGIN' -Wl,-Bsymbolic $(DEFS)
	$(if $(ONEDNN_ROOT),$(Q)cp $(ONEDNN_ROOT)/lib/libdnnl.so.3 $(@D)/libdnnl.so.3.new && mv $(@D)/libdnnl.so.3.new $(@D)/libdnnl.so.3)

# ---- the program: public headers only --------------------------------------------------------------------------------------
$(B)/modnas: $(CLI_SRC:%.c=$(B)/obj/%.o) $(B)/libmodnas.so
	@echo "  link  $@"
	$(Q)$(CC) $(OPT) -o $@ $(filter %.o,$^) -L$(B) -lmodnas -Wl,-rpath,'$$ORIGIN' $(DEFS)

# ---- tests and benchmarks: tests/test_x.c is one Check binary; tests/x.c one program ---------------------------------------
$(B)/obj/tests/%.o: tests/%.c
	@mkdir -p $(@D)
	@echo "  cc    $<"
	$(Q)$(CC) $(CFLAGS) $(INC_tests) -c $< -o $@
$(B)/obj/bench/%.o: bench/%.c
	@mkdir -p $(@D)
	@echo "  cc    $<"
	$(Q)$(CC) $(CFLAGS) $(INC_bench) $(ISA_$(lastword $(subst _, ,$*))) -c $< -o $@
# The thread sanitizer needs malloc before test_torture's own is ready.
TEST_BIN := $(patsubst tests/%.c,$(B)/tests/%,$(filter-out $(if $(filter %=thread,$(SAN)),tests/test_torture.c),$(wildcard tests/test_*.c)))
UTIL_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/util_*.c))
# The vector runner is made of several files.
$(B)/tests/cases: $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/cases_*.c))
$(B)/tests/test_cases: | $(B)/tests/cases
$(B)/tests/test_torture: $(B)/obj/tests/torture_malloc.o
# A host with OpenMP of its own.
$(B)/obj/tests/test_openmp.o: private CFLAGS += -fopenmp
$(B)/tests/test_openmp: private OPT += -fopenmp
$(B)/tests/%: $(B)/obj/tests/%.o $(UTIL_OBJ) $(B)/libmodnas.a
	@mkdir -p $(@D)
	@echo "  link  $@"
	$(Q)$(CC) $(OPT) -o $@ $(filter %.o,$^) $(B)/libmodnas.a $(LIBS) -lcheck -lsubunit -lrt -rdynamic
# It loads libmodnas.so itself, and links nothing of ours.
$(B)/tests/test_reload: $(B)/obj/tests/test_reload.o | all
	@mkdir -p $(@D)
	@echo "  link  $@"
	$(Q)$(CC) $(OPT) -o $@ $< -lcheck -lsubunit -lm -lrt -lpthread -ldl
# bench/x.c is a program; bench/x_*.c belong to it, bench/util_*.c to all.
BENCH_SRC := $(wildcard bench/*.c)
BENCH_BIN := $(patsubst bench/%.c,$(B)/bench/%,$(foreach f,$(BENCH_SRC),$(if $(findstring _,$(f)),,$(f))))
bench_parts = $(patsubst %.c,$(B)/obj/%.o,$(filter bench/util_%.c bench/$(1)_%.c,$(BENCH_SRC)))
.SECONDEXPANSION:
$(B)/bench/%: $(B)/obj/bench/%.o $$(call bench_parts,$$*) $(UTIL_OBJ) $(B)/libmodnas.a
	@mkdir -p $(@D)
	@echo "  link  $@"
	$(Q)$(CC) $(OPT) -o $@ $(filter %.o,$^) $(B)/libmodnas.a $(LIBS) -lcheck -lsubunit -lrt $(BENCH_LIBS)
# It asks oneDNN directly, too: the library that the plug-in carries.
$(B)/bench/kernels: BENCH_LIBS := -fopenmp $(DNNL_LIB) -ldnnl -Wl,-rpath,'$$ORIGIN/../modnas-plugins'
$(B)/bench/kernels: plugins
$(B)/obj/bench/kernels.o $(B)/obj/bench/kernels_direct.o $(B)/obj/bench/kernels_direct_steps.o: INC_bench := $(INC_bench) $(DNNL_INC) -fopenmp

# What bench/step holds our kernels against: the plug-in on oneDNN's own (MN_DNNL_ALONE in lib/backend/dnnl).
ALONE_SRC := $(shell grep -l MN_DNNL_ALONE $(DNNL_SRC))
$(B)/obj/bench/lib/backend/dnnl/%.o: lib/backend/dnnl/%.c
	@mkdir -p $(@D)
	@echo "  cc    $< (oneDNN alone)"
	$(Q)$(CC) $(CFLAGS) $(if $(SAN),,-O3) $(OPENMP) $(INC_lib) $(DNNL_INC) -DMN_DNNL_ALONE=1 -c $< -o $@
$(B)/bench/plugins/modnas-dnnl.so: $(filter-out $(ALONE_SRC:%.c=$(B)/obj/%.o),$(DNNL_OBJ)) $(ALONE_SRC:%.c=$(B)/obj/bench/%.o) | plugins
	@mkdir -p $(@D)
	@echo "  link  $@"
	$(Q)$(CC) $(OPT) -shared -fopenmp -o $@ $(filter %.o,$^) $(DNNL_LIB) -ldnnl -lstdc++ -lm -Wl,-z,nodelete -Wl,-rpath,'$$ORIGIN/../../modnas-plugins' -Wl,-Bsymbolic $(DEFS)
BENCH_BIN += $(B)/bench/plugins/modnas-dnnl.so

# tests/fuzz/fuzz_x.c is a target: here a program that replays files and changes of them, in the variant `fuzz` libFuzzer's.
FUZZ_BIN := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_MAIN := $(if $(filter fuzz,$(VARIANT)),,$(B)/obj/tests/fuzz/replay.o $(B)/obj/tests/fuzz/mutate.o)
$(B)/fuzz/%: $(B)/obj/tests/fuzz/%.o $(B)/obj/tests/fuzz/fuzz.o $(FUZZ_MAIN) $(B)/libmodnas.a
	@mkdir -p $(@D)
	@echo "  link  $@"
	$(Q)$(CC) $(subst fuzzer-no-link,fuzzer,$(OPT)) -o $@ $(filter %.o,$^) $(B)/libmodnas.a $(LIBS)
fuzz-targets: $(FUZZ_BIN)

# tests/plugin_fake.c becomes one plug-in for each way to be wrong.
FAKES := $(patsubst %,$(B)/tests/plugins/modnas-fake_%.so,ok device parallel abi size name hole refuse rude open entry)
$(B)/tests/plugins/modnas-fake_%.so: tests/plugin_fake.c $(wildcard include/modnas/*.h include/modnas/sys/*.h)
	@mkdir -p $(@D)
	@echo "  link  $@"
	$(Q)$(CC) $(CFLAGS) -Iinclude -DFAKE_NAME='"fake_$*"' $(if $(filter entry,$*),-Dmodnas_plugin_entry=other_entry) -shared -o $@ $<
$(B)/tests/test_backend: | $(FAKES)

# Benchmarks ask for speed, which instrumented code does not have.
tests: all $(TEST_BIN) $(B)/tests/cases $(FUZZ_BIN) $(if $(SAN),,$(BENCH_BIN))

# ---- installing: builds what is missing; tools/install.sh says what goes where ---------------------------------------------
prefix     := /usr/local
bindir     := $(prefix)/bin
libdir     := $(prefix)/lib
includedir := $(prefix)/include
datadir    := $(prefix)/share
docdir     := $(datadir)/doc/modnas
INSTALL_ENV = B='$(B)' version='$(VERSION)' ONEDNN_ROOT='$(ONEDNN_ROOT)' DESTDIR='$(DESTDIR)' prefix='$(prefix)' bindir='$(bindir)' \
    libdir='$(libdir)' includedir='$(includedir)' docdir='$(docdir)' \
    LINK='$(CC) $(OPT) $(CLI_SRC:%.c=$(B)/obj/%.o) -L$(B) -lmodnas $(DEFS)'
install: all $(B)/libmodnas.a
	@$(INSTALL_ENV) tools/install.sh install
uninstall:
	@$(INSTALL_ENV) tools/install.sh uninstall

# ---- for a person: both commands of the README see to it that everything is there, then start over with it ------------------
deps:
	@tools/deps.sh
check: deps
	+@MAKE='$(MAKE)' tools/check.sh
demo demo-compare: deps
	+@$(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc)) VARIANT=release all
	@docs/examples/demo.sh $(if $(filter %-compare,$@),--compare)
# REPS, PATHS: of bench/step; RUNS: of bench/kernels.
REPS  ?= 3
PATHS ?= 20
RUNS  ?= 15
bench: all $(BENCH_BIN)
	@$(B)/bench/kernels -c -r -n $(RUNS) -j build/bench/kernels.json
	@$(B)/bench/step --reps $(REPS) --paths $(PATHS) --json build/bench/step.json
	@bench/scale.py $(B)/bench/step build/bench/scale.json
bench-deps:
	@bench/deps.sh
# RESULTS: options of bench/results.py, as --size full.
results: all
	@bench/results.py $(RESULTS)
bench-page:
	@bench/table.py
# FUZZ_SECONDS: of each target; FUZZ_TARGETS: all, unless some are named.
FUZZ_SECONDS ?= 60
fuzz:
	@MAKE='$(MAKE)' tools/fuzz.sh $(FUZZ_SECONDS) $(FUZZ_TARGETS)
check-headers:
	@tools/check-headers.sh
check-symbols: $(B)/libmodnas.so
	@tools/check-symbols.sh $(B)

clean:
	rm -rf build/release build/debug build/asan build/tsan build/fuzz

check-install:
	@tools/check-install.sh
check-valgrind: all
	@tools/check-valgrind.sh $(B)
check-tsan: deps
	+@MAKE='$(MAKE)' tools/check.sh tsan

.PHONY: all results plugins tests fuzz fuzz-targets install uninstall clean bench bench-deps bench-page deps check demo demo-compare check-headers check-symbols check-install check-valgrind check-tsan
.SECONDARY:
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
