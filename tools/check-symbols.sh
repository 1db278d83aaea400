#!/bin/sh
# What libmodnas.so shows to the world: check-symbols.sh BUILD-FOLDER
#   names     headers, libmodnas.map and the dynamic symbols name the same functions, and no others
#   since     docs/abi/symbols.txt has the same names, each with the node of the map that it came with
#   needed    the libraries it is linked with are those of the README
#   globals   no mutable data, no constructors beside the C runtime's own
#   entries   every function with a status enters the context first (MN_ENTER), itself or in what it hands on to
#   guarded   in the plug-in only onednn.o calls the functions of oneDNN that may throw
set -eu
cd "$(dirname "$0")/.."
lib=$1/libmodnas.so
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
bad=0
fault() { echo "$*"; bad=1; }

cat include/modnas/*.h include/modnas/sys/*.h | tr '\n' ' ' | grep -oE 'MODNAS_API[^;]*;' | grep -v '^MODNAS_API *__' |
    sed 's/ *(.*//; s/.*[ *]//' | sort -u >"$tmp/headers"
sed -n 's/^ *\(modnas_[a-z0-9_]*\);.*/\1/p' libmodnas.map | sort >"$tmp/map"
nm -D --defined-only "$lib" | awk '$2 != "A" {sub(/@.*/, "", $3); print $3}' | sort -u >"$tmp/dynamic"
nodes=$(sed -n 's/^\(MODNAS_[0-9.]*\) {.*/\1/p' libmodnas.map)

for f in headers dynamic; do
    diff "$tmp/map" "$tmp/$f" >"$tmp/diff" || fault "libmodnas.map (<) and the $f (>) name different functions:
$(grep '^[<>]' "$tmp/diff")"
done
awk '/^MODNAS_/ {sub(/^MODNAS_/, "", $1); node = $1} /^ *modnas_/ {sub(/;/, "", $1); print $1 "\t" node}' libmodnas.map | sort >"$tmp/since"
grep -v '^#' docs/abi/symbols.txt | cut -f1,2 | diff "$tmp/since" - >"$tmp/diff" || fault "libmodnas.map (<) and docs/abi/symbols.txt (>) differ:
$(grep '^[<>]' "$tmp/diff")"
odd=$(nm -D --defined-only "$lib" | awk '$2 == "A" {sub(/@.*/, "", $3); print $3}' | grep -vxF "$nodes" || true)
[ -z "$odd" ] || fault "not a node of libmodnas.map: $odd"

needed=$(readelf -d "$lib" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
for n in $needed; do
    case $n in
    libc.so.6 | libm.so.6 | libyaml-0.so.2 | libcyaml.so.1 | libz.so.1 | libprotobuf-c.so.1 | libpng16.so.16 | libjpeg.so.62 | libjpeg.so.8) ;;
    *) fault "$lib needs $n, which is not on its list" ;;
    esac
done

odd=$(objdump -t "$lib" | awk '$4 == ".data" || $4 == ".bss" || $4 == ".tdata" || $4 == ".tbss" {print $NF}' |
    grep -vxE '\.data|\.bss|__dso_handle|__TMC_END__|completed\.0' || true)
[ -z "$odd" ] || fault "mutable data in $lib:" "$odd"
# One pointer: frame_dummy of the C runtime.
bytes=$(objdump -h "$lib" | awk '$2 == ".init_array" {print $3}')
[ "$((0x${bytes:-0}))" = 8 ] || fault "$lib has constructors: .init_array is $((0x${bytes:-0})) bytes, 8 are the C runtime's"

# What decides is the body, or that of the function which it returns the result of.
awk '
    /^(static )?int [a-z0-9_]+\(/ {
        name = $0; sub(/^(static )?int /, "", name); sub(/\(.*/, "", name)
        if (!/^static/) home[name] = FILENAME
        body = ""; inside = 1
    }
    inside { body = body " " $0 }
    /^}/ && inside { inside = 0; text[FILENAME, name] = body }
    function enters(file, f,   t) {
        if (!((file, f) in text)) file = home[f]
        t = text[file, f]
        if (t ~ /MN_ENTER\(|check_(tape|one|two|many)\(|mn_check_thread\(/) return 1
        if (!match(t, /\{.*return [a-z0-9_]+\(/)) return 0
        t = substr(t, RSTART, RLENGTH - 1); sub(/.*return /, "", t)
        return t != f && enters(file, t)
    }
    END { while ((getline f < names) > 0) if (f in home && f != "modnas_ctx_new" && !enters(home[f], f)) print f }
' names="$tmp/map" src/*/*.c lib/*/*.c lib/*/*/*.c >"$tmp/open"
[ ! -s "$tmp/open" ] || fault "a status, but no MN_ENTER:" "$(cat "$tmp/open")"

for o in "$1"/obj/lib/backend/dnnl/*.o; do
    [ "${o##*/}" = onednn.o ] && continue
    odd=$(nm -u "$o" | grep -oE '\<dnnl_.*(create|clone|append|execute|gemm|set_post_ops)' || true)
    [ -z "$odd" ] || fault "$o calls oneDNN past onednn.h:" "$odd"
done

[ $bad = 0 ] && echo "check-symbols: $(wc -l <"$tmp/map") functions, needed: $(echo "$needed" | tr '\n' ' '), no mutable data"
exit $bad
