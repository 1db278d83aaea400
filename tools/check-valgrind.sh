#!/bin/sh
# One short search and training under valgrind's memcheck, on `ref` and on `dnnl`: check-valgrind.sh BUILD-FOLDER
#
# No read or write of memory that is not the program's, no jump on a value that nobody set, no block that is lost at the end.
# tests/valgrind.supp has what others do, each with its reason. Valgrind has no AVX-512: there oneDNN and our own kernels take
# their AVX2 forms. Writes into a temporary folder only.
set -eu
cd "$(dirname "$0")/.."
top=$PWD
build=$(cd "${1:-build/release}" && pwd)
valgrind -q true >/dev/null 2>&1 || {
    echo "check-valgrind: there is no valgrind here that runs (Debian: apt-get install valgrind libc6-dbg)" >&2
    exit 2
}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
cat >net.yaml <<YAML
seed: 3
threads: 2
model: {type: MobileNetV2, args: {cfgs: [[0, 8, 1, 1], [3, 8, 2, 2], [3, 16, 2, 2]], n_classes: 4, width_coeff: 0.5}}
train_data: {type: RandData, args: {shape: [3, 8, 8], classes: 4, data_size: 48}}
data_loader: {type: DefaultDataLoader, args: {trn_batch_size: 16, val_batch_size: 8, valid_size: 8}}
trainer: {default: {type: ImageClsTrainer, args: {optimizer: {type: SGD, args: {lr: 0.05, momentum: 0.9}}, w_grad_clip: 5.0}}}
YAML
cat >search.yaml <<YAML
mixed_op: {type: BinaryGateMixedOp, candidates: [MB3E1, MB5E3, IDT]}
optim: BinaryGateOptim
estim: {warm: {type: DefaultEstim, epochs: 1}, search: {type: SuperNetEstim, epochs: 1}}
YAML
cat >train.yaml <<YAML
arch_desc: exp/search/outputs/arch_search_best.yaml
estim: {train: {type: DefaultEstim, epochs: 1}}
YAML

status=0
watched() { # backend, what is run: its YAML's name
    log=$tmp/$1-$2.log
    rc=0
    GOMP_SPINCOUNT=1000 valgrind --leak-check=full --errors-for-leak-kinds=definite,possible --show-leak-kinds=definite,possible \
        --error-exitcode=99 --num-callers=30 --suppressions="$top/tests/valgrind.supp" --log-file="$log" \
        "$build/modnas" run -c net.yaml -c "$2.yaml" -n "$2" -b "$1" >out 2>&1 || rc=$?
    echo "check-valgrind: $2 on $1: $(sed -n 's/^==[0-9]*== \(ERROR SUMMARY.*\)/\1/p' "$log"), status $rc"
    [ $rc = 0 ] && return
    status=1
    cat out
    cat "$log"
}
for backend in ref dnnl; do
    rm -rf exp
    watched $backend search
    watched $backend train
done
exit $status
