#!/usr/bin/env bash
# Installs what the tests need and runs all of them. Any failure ends it with a non-zero exit.
#
# It needs Rust (rustup installs the version that the workspace names) and, on Debian and its kin,
# root or sudo: for `apt-get install` of the programs that are missing below, and for nothing else.
# It uses no service of this machine: every process runs on a port of its own, on loopback.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never}
export PATH=$PATH:$HOME/.cargo/bin:/usr/local/sbin:/usr/sbin:/sbin
cargo_deny_version=0.20.2
oteltap_version=1.0.0
schemathesis_version=4.32.5
cargo_fuzz_version=0.13.2
target_folder=${CARGO_TARGET_DIR:-$PWD/target}
results=$(mktemp)
headings=()
began=$SECONDS
step_began=$SECONDS
trap 'rm -f "$results"' EXIT

# Names the step that begins, and notes how long the last one took.
step() {
    if [ ${#headings[@]} -gt 0 ]; then
        headings[-1]="${headings[-1]} ($((SECONDS - step_began)) s)"
    fi
    step_began=$SECONDS
    headings+=("$1")
    printf '\n=== %s\n' "$1"
}

# Runs tests, and keeps their output for the count at the end.
tests() {
    "$@" 2>&1 | tee -a "$results"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "This needs root: $*" >&2
        exit 1
    fi
}

# Debian starts a service as soon as its package is there; the tests start their own, on ports of their
# own, and want no Prometheus on the port that the gateway's admin port has by default.
without_services() {
    local policy=/usr/sbin/policy-rc.d status=0
    if [ -e "$policy" ]; then
        "$@"
        return
    fi
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod +x "$policy"
    "$@" || status=$?
    as_root rm "$policy"
    return "$status"
}

node_is_recent() {
    command -v node >/dev/null && command -v npm >/dev/null &&
        [ "$(node -p 'process.versions.node.split(".")[0]')" -ge 18 ]
}

install_programs() {
    local missing=() pair
    for pair in redis-server:redis-server redis-cli:redis-tools nginx:nginx haproxy:haproxy \
        chromium:chromium nft:nftables ip:iproute2 setpriv:util-linux cc:build-essential \
        buildah:buildah curl:curl promtool:prometheus update-ca-certificates:ca-certificates \
        javac:openjdk-17-jdk-headless mvn:maven; do
        command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
    done
    node_is_recent || missing+=(nodejs npm)
    python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3 python3-venv)
    if [ ${#missing[@]} = 0 ]; then
        echo "everything is there"
        return
    fi
    echo "missing: ${missing[*]}"
    if ! command -v apt-get >/dev/null; then
        echo "This is no Debian: install these yourself, by the names that they have here." >&2
        exit 1
    fi
    as_root apt-get update -q
    without_services as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends "${missing[@]}"
    node_is_recent || {
        echo "node 18 or newer is needed, and this Debian has only $(node --version)." >&2
        exit 1
    }
}

install_cargo_deny() {
    if [ "$(cargo deny --version 2>/dev/null)" != "cargo-deny $cargo_deny_version" ]; then
        # Unoptimized it builds in a third of the time, and it reads a few files.
        cargo install cargo-deny --locked --version "$cargo_deny_version" --debug --quiet \
            --target-dir "${CARGO_TARGET_DIR:-target}/cargo-deny"
    fi
}

install_cargo_fuzz() {
    if [ "$(cargo fuzz --version 2>/dev/null)" != "cargo-fuzz $cargo_fuzz_version" ]; then
        cargo install cargo-fuzz --locked --version "$cargo_fuzz_version" --debug --quiet \
            --target-dir "$target_folder/cargo-fuzz"
    fi
}

# A receiver of OTLP, in an environment of its own: the tests find it on the path.
install_oteltap() {
    local place=$target_folder/oteltap
    if [ "$("$place/bin/pip" freeze 2>/dev/null | grep -c -e "^oteltap==$oteltap_version$")" != 1 ]; then
        python3 -m venv "$place"
        "$place/bin/pip" install --quiet --disable-pip-version-check \
            "oteltap==$oteltap_version" opentelemetry-proto==1.45.2 protobuf==7.36.2
    fi
    export PATH=$PATH:$place/bin
}

# Asks what the OpenAPI document says may be asked, and more: the tests find it on the path.
install_schemathesis() {
    local place=$target_folder/schemathesis
    if [ "$("$place/bin/pip" freeze 2>/dev/null | grep -c -e "^schemathesis==$schemathesis_version$")" != 1 ]; then
        python3 -m venv "$place"
        "$place/bin/pip" install --quiet --disable-pip-version-check \
            "schemathesis==$schemathesis_version"
    fi
    export PATH=$PATH:$place/bin
}

# The clients that others wrote: each in the version that stands in its lock file.
install_clients() {
    npm --prefix tests/interop/node ci --no-audit --no-fund
    local place=$target_folder/interop-python
    if [ "$("$place/bin/pip" freeze 2>/dev/null)" != "$(cat tests/interop/python/requirements.txt)" ]; then
        python3 -m venv "$place"
        "$place/bin/pip" install --quiet --disable-pip-version-check \
            -r tests/interop/python/requirements.txt
    fi
    mvn -q -B -f tests/interop/spring/pom.xml -Dbuild.folder="$target_folder/interop-spring" package
}

echo "This runs every test of Inkwire. It may need root, by sudo, to install the Debian packages that"
echo "are missing; the first step says which."

step "Programs that the tests use"
command -v cargo >/dev/null || {
    echo "Rust is missing: https://rustup.rs" >&2
    exit 1
}
install_programs

step "Format"
cargo fmt --all --check

step "Lints"
cargo clippy --workspace --all-targets --locked -- -D warnings

step "Documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked

step "Tests of the crates, the bus contract on memory and on Redis among them"
install_schemathesis
tests cargo test --workspace --exclude inkwire-tests --locked

step "Client library for browsers and node"
npm --prefix shared/client-js ci --no-audit --no-fund
tests npm --prefix shared/client-js test

step "The demo page: its text, and that its bundle is what its sources make"
npm --prefix gateway/server/web ci --no-audit --no-fund
tests npm --prefix gateway/server/web test

step "Release build"
cargo build --release --locked
INKWIRE_BIN=$(cd "${CARGO_TARGET_DIR:-target}/release" && pwd)/inkwire
export INKWIRE_BIN

step "End to end: three replicas, Redis, HAProxy, nginx, a receiver of OTLP"
install_oteltap
tests cargo test -p inkwire-tests --lib --bins --test e2e --locked

step "Conformance: RFC 6455 and RFC 8441, and strangers beside live sessions"
tests cargo test -p inkwire-tests --test conformance --locked -- --show-output

step "Conformance: SockJS 0.3.3, on one process and on three"
tests cargo test -p inkwire-tests --test sockjs --locked

step "Real clients: stompjs, sockjs-client, stomp.py, Spring"
install_clients
tests cargo test -p inkwire-tests --test interop --locked -- --show-output

step "Faults in the middle of writing: replicas, HAProxy, links, Redis"
tests cargo test -p inkwire-tests --test faults --locked

step "The demo page in Chromium, alone and through HAProxy and nginx"
tests cargo test -p inkwire-tests --test browser --locked -- --test-threads 1

step "Manifests"
tests/k8s/check "$target_folder/manifests"

step "Image: the final stage, built and started"
tests/image/check

step "Fuzzing: a short run of each decoder"
install_cargo_fuzz
tests/fuzz/run 50000

step "Licences, sources and banned crates"
install_cargo_deny
cargo deny check bans licenses sources

step "Summary"
unset 'headings[-1]'
printf '%s\n' "${headings[@]}"
echo "$((SECONDS - began)) s in all"
cat "${CARGO_TARGET_DIR:-target}/tmp/faults.md"
if compgen -G "../shared/traces/*.json.gz" >/dev/null; then
    echo "Real editing traces were replayed: $(cd ../shared/traces && echo *.json.gz)"
else
    echo "No traces stand beside the checkout: a generated history was replayed in their place."
fi
# What cargo and node count, together.
awk '/^test result: / { passed += $4; failed += $6 }
    /^# pass / { passed += $3 } /^# fail / { failed += $3 }
    /^ℹ pass / { passed += $3 } /^ℹ fail / { failed += $3 }
    END { printf "%d passed, %d failed\n", passed, failed }' "$results"
