# Sourced by scripts that run many programs: some at a time, and what each prints stays together.
#
#   pool N RUN SHOW NAME...    `RUN name` in the background for each, at most N at a time; once it is over, `SHOW name status` in
#                              this shell. What it printed, and its seconds below, is in $tmp/name.
pool() {
    local most=$1 run=$2 show=$3 name going=()
    shift 3
    for name in "$@"; do
        pool_wait "$most"
        pool_job "$name" &
        going+=("$name")
    done
    pool_wait 1
}

pool_job() {
    local since=$SECONDS status
    "$run" "$1" >"$tmp/$1" 2>&1 </dev/null
    status=$?
    echo "($((SECONDS - since)) s)" >>"$tmp/$1"
    echo $status >"$tmp/$1.status"
}

# Until fewer than so many are running.
pool_wait() {
    pool_show
    while [ ${#going[@]} -ge "$1" ]; do
        wait -n
        pool_show
    done
}

# Show those that are over; the others stay in `going`. One that left no status was killed.
pool_show() {
    local name still=()
    for name in "${going[@]}"; do
        if [ -s "$tmp/$name.status" ] || [ -z "$(jobs -rp)" ]; then
            "$show" "$name" "$(cat "$tmp/$name.status")"
        else
            still+=("$name")
        fi
    done
    going=("${still[@]}")
}
