# Claims of a machine that has no test binary, told as one would: a claim is a function, and holds if each of its commands
# succeeds. What it prints is shown.

# Tries until it goes well, for a minute: each process takes an emulated machine long.
eventually() {
    tries=0
    until said=$("$@" 2>&1); do
        tries=$((tries + 1))
        if [ $tries = 60 ]; then
            echo "never: $*: $said"
            return 1
        fi
        sleep 1
    done
    echo "$said"
}

passed=0
failed=

claim() {
    # Not as a condition, in which `set -e` means nothing.
    (
        set -e
        "$1"
    ) >/tmp/said 2>&1
    if [ $? = 0 ]; then
        passed=$((passed + 1)) verdict=ok
    else
        failed="$failed $1" verdict=FAILED
    fi
    cat /tmp/said
    echo "test $machine::$1 ... $verdict"
}

conclude() {
    set -- $failed
    verdict=ok
    if [ $# -gt 0 ]; then
        verdict=FAILED
        echo failures:
        for name; do
            echo "    $machine::$name"
        done
        echo
    fi
    echo "test result: $verdict. $passed passed; $# failed; 0 ignored"
}
