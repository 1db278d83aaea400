#!/usr/bin/env bash
# Do the bindings fit the headers and work? The declarations that they read are what tools/cdef.sh makes today; each has every public function, or
# says here why not; their tests run against the library as it is built: the C++ one, and the Python one where cffi and NumPy can be had
# (tools/python.sh).  check-bindings.sh RESULT-FILE FOLDER
set -u
cd "$(dirname "$0")/.." || exit 1
result=$1 folder=$PWD/$2
passed=0 failed=0 skipped=0
is() { if [ "$1" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "check-bindings: $2"; fi; }

tools/cdef.sh | diff bindings/python/modnas/cdef.h - >&2
is $? "bindings/python/modnas/cdef.h is not what the headers say: tools/cdef.sh >bindings/python/modnas/cdef.h"
version=$(sed -n 's/^#define MODNAS_VERSION_STRING "\(.*\)"/\1/p' include/modnas/version.h)
grep -qx "version = \"$version\"" bindings/python/pyproject.toml
is $? "bindings/python/pyproject.toml has another version than $version"

# What a binding leaves out: texts for a person of what it gives as data; what its own ways of registering and recording stand for.
both='describe_text devices_text inspect_text list_text verify_text run builder_args_json builder_kind builder_name builder_text
    registry_build registry_get_builder module_add_custom config_raw_text'
left_out_cpp=$both
left_out_python="$both args_bool args_fail args_given args_int args_real args_str config_raw_file forward op_zeros profile_check"
bound() { # name, left out, files
    local name=$1 out=" $(echo $2) " missing=
    shift 2
    for f in $(sed -n 's/^ *\(modnas_[a-z0-9_]*\);.*/\1/p' libmodnas.map); do
        case $out in
        *" ${f#modnas_} "*) ! grep -qw "$f" "$@" || missing="$missing $f(is there)" ;;
        *) grep -qw "$f" "$@" || missing="$missing $f" ;;
        esac
    done
    [ -z "$missing" ]
    is $? "$name lacks:$missing"
}
bound C++ "$left_out_cpp" bindings/cpp/modnas/*.hpp
bound Python "$left_out_python" bindings/python/modnas/*.py

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if ${CXX:-c++} -std=c++17 -Wall -Wextra -Wpedantic -Werror -Iinclude -Ibindings/cpp tests/cpp/test_binding.cpp -L"$folder" -lmodnas -o "$tmp/cpp" &&
    ${CXX:-c++} -std=c++17 -Wall -Wextra -Werror -Iinclude -Ibindings/cpp docs/examples/backbone.cpp -L"$folder" -lmodnas -o "$tmp/example"; then
    out=$(cd "$tmp" && LD_LIBRARY_PATH=$folder ./cpp)
    echo "check-bindings: C++: $out"
    read -r ran bad < <(echo "$out" | sed -n 's/^\([0-9]*\) checks, \([0-9]*\) failed$/\1 \2/p')
    passed=$((passed + ${ran:-1} - ${bad:-1})) failed=$((failed + ${bad:-1}))
    LD_LIBRARY_PATH=$folder "$tmp/example" >/dev/null
    is $? "docs/examples/backbone.cpp failed"
else
    is 1 "the C++ binding does not compile"
fi

if timeout 300 tools/python.sh; then
    out=$tmp/python
    MODNAS_PROGRAM=$folder/modnas MODNAS_LIBRARY=$folder/libmodnas.so PYTHONPATH=$PWD/bindings/python PYTHONDONTWRITEBYTECODE=1 \
        build/deps/python/bin/python3 tests/python/test_binding.py >"$out" 2>&1
    status=$?
    ran=$(sed -n 's/^Ran \([0-9]*\) test.*/\1/p' "$out") bad=$(sed -n 's/.*\(failures\|errors\)=\([0-9]*\).*/\2/p' "$out")
    [ $status = 0 ] || cat "$out"
    [ $status = 0 ] || [ -n "$bad" ] || bad=1
    echo "check-bindings: Python: ${ran:-0} tests, ${bad:-0} failed"
    passed=$((passed + ${ran:-0} - ${bad:-0})) failed=$((failed + ${bad:-0}))
else
    echo "check-bindings: Python: skipped, there is no cffi and NumPy"
    skipped=$((skipped + 1))
fi
# Other languages: a host with callbacks each, where there is the language. The run of LuaJIT has to leave the program's bytes.
ffi() { # language, its program, command
    local name=$1
    if ! command -v "$2" >/dev/null; then
        echo "check-bindings: $name: skipped, there is no $2"
        skipped=$((skipped + 1))
        return
    fi
    shift 2
    (cd "$tmp" && LD_LIBRARY_PATH=$folder "$@")
    is $? "$name failed"
}
top=$PWD
cat >"$tmp/run.yaml" <<'EOF'
backend: ref
threads: 1
seed: 3
model: {type: MobileNetV2, args: {input: [3, 8, 8], n_classes: 3, cfgs: [[0, 8, 1, 1], [1, 8, 2, 1], [3, 8, 2, 2]]}}
mixed_op: {type: IndexMixedOp, candidates: [MB3E1, MB3E3]}
train_data: {type: RandData, args: {data_spec: [[[3, 8, 8], float, null], [null, int, [0, 3]]], data_size: 24}}
data_loader: {type: DefaultDataLoader, args: {trn_batch_size: 8, val_batch_size: 8, valid_size: 8}}
trainer: {default: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 0.05}}}}}
optim: RandomSearchOptim
estim: {search: {type: SuperNetEstim, epochs: 2, baseline: false}}
EOF
ffi LuaJIT luajit luajit "$top/tests/ffi/host.lua" "$top/bindings/python/modnas/cdef.h" "$folder/libmodnas.so" run.yaml
if [ -d "$tmp/exp/lua" ]; then
    (cd "$tmp" && "$folder/modnas" run -c run.yaml -n c --quiet && cmp exp/c/outputs/history.tsv exp/lua/outputs/history.tsv &&
        cmp exp/c/chkpt/model_search_best.safetensors exp/lua/chkpt/model_search_best.safetensors)
    is $? "LuaJIT's run has other bytes than the program's"
fi
rust() { rustc --edition 2021 -o host_rs "$top/tests/ffi/host.rs" -L "$folder" -l modnas && ./host_rs; }
ffi Rust rustc rust
go_() { CGO_CFLAGS=-I$top/include CGO_LDFLAGS="-L$folder -lmodnas" GOCACHE=$tmp/go GOFLAGS=-mod=mod go run "$top/tests/ffi/host.go"; }
ffi Go go go_
echo "$passed $failed $skipped" >>"$result"
[ $failed = 0 ]
