# Free ports of this machine; sourced by run.

# Whether nobody listens on port $1. Where the kernel does not tell, it is taken as free.
is_free() {
    hex=$(printf '%04X' "$1")
    ! cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
        awk -v port=":$hex" '$4 == "0A" && substr($2, length($2) - 4) == port { found = 1 }
                             END { exit !found }'
}

# A free port, $1 if that one is.
free_port() {
    port=${1:-0}
    while [ "$port" = 0 ] || ! is_free "$port"; do
        port=$((20000 + $(od -An -N2 -tu2 /dev/urandom) % 10000))
    done
    echo "$port"
}
