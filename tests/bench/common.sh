# Starts what a bench measures, and reads its reports. Sourced from the checkout's root by scripts that
# set $base, the first of the ports.

logs=$(mktemp -d)
started=()
# Only what this script started.
trap 'stop_all; rm -rf "$logs"' EXIT

cargo build --release --locked -p inkwire-server -p inkwire-tests
bin=${CARGO_TARGET_DIR:-target}/release

# Starts a program in the background; its process id is in $pid.
spawn() {
    setpriv --pdeathsig KILL "$@" >"$logs/last" 2>&1 </dev/null &
    pid=$!
    started+=("$pid")
}

stop_all() {
    local pid
    for pid in ${started[@]+"${started[@]}"}; do kill -KILL "$pid" 2>/dev/null || true; done
    for pid in ${started[@]+"${started[@]}"}; do wait "$pid" 2>/dev/null || true; done
    started=()
}

await_port() {
    local tries=100
    until (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; do
        if [ $((tries -= 1)) = 0 ]; then
            cat "$logs/last" >&2
            echo "nothing listens on port $1" >&2
            exit 1
        fi
        sleep 0.1
    done
}

ready() {
    local tries=200 line
    while :; do
        if { exec 3<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null; then
            printf 'GET /readyz HTTP/1.0\r\n\r\n' >&3
            IFS= read -r -t 2 line <&3 || line=
            exec 3>&-
            case $line in *" 200 "*) return ;; esac
        fi
        if [ $((tries -= 1)) = 0 ]; then
            cat "$logs/last" >&2
            echo "the replica did not become ready" >&2
            exit 1
        fi
        sleep 0.1
    done
}

# gateway N [ARGUMENT...]: replica N; its id is in $pid.
gateway() {
    local n=$1
    shift
    spawn "$bin/inkwire" serve --listen "127.0.0.1:$((base + n))" \
        --admin "127.0.0.1:$((base + 10 + n))" --log-filter warn "$@"
    ready $((base + 10 + n))
}

# floor N [ARGUMENT...]: the same of the floor.
floor() {
    local n=$1
    shift
    spawn "$bin/inkwire-floor" --listen "127.0.0.1:$((base + n))" "$@"
    await_port $((base + n))
}

redis() {
    spawn redis-server --bind 127.0.0.1 --port $((base + 20)) --save '' --dir "$logs"
    await_port $((base + 20))
}

url() { echo "ws://127.0.0.1:$((base + $1))/ws"; }

# bench ARGUMENT...: the report is in $report.
bench() {
    report=$("$bin/inkwire-load" bench "$@" </dev/null)
    echo "    $report" >&2
    case $report in
    *'"nacks":0'* | *'"bench":"idle"'*) ;;
    *) echo "    (some entries were refused: this measurement does not count)" >&2 ;;
    esac
}

# The N-th value of a name in the report.
value() {
    grep -o "\"$1\":[0-9.]*" <<<"$report" | sed -n "${2:-1}p" | awk -F: '{ printf "%.2f", $2 }'
}

ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", (b > 0 ? a / b : 0) }'; }
sum() { awk 'BEGIN { s = 0; for (i = 1; i < ARGC; i++) s += ARGV[i]; printf "%.2f", s }' "$@"; }

