#!/bin/bash
# What is claimed of our package in the Debian 13 of `cargo xtask vm packages`: a unit of that machine runs it, with the
# package beside it, and what it prints is what a test binary would. The database is outside; the sink names its address.
# The claims stand in the order in which a machine would see them, the purge last.
cd "$(dirname "$0")" || exit 1
. ./claims.sh
export LC_ALL=C.UTF-8
machine=packages
database=http://10.0.2.100:8086
page=http://127.0.0.1:8190
# BPF, PERFMON, NET_ADMIN, DAC_READ_SEARCH and SYS_PTRACE, by their bits in include/uapi/linux/capability.h (Linux 6.12).
capabilities=000000c000081004
five=+bpf,+perfmon,+net_admin,+dac_read_search,+sys_ptrace

fetch() {
    busybox wget -qO- "$1"
}

# A number or a word of the entry of a container, by its name, as the page has it.
ours() {
    fetch $page/api/v1/containers | jq -r --arg name "$1" ".containers[] | select(.name == \$name) | $2"
}

# The folder of the container `busy`.
folder() {
    echo /sys/fs/cgroup/system.slice/docker-"$(docker inspect --format '{{.Id}}' busy)".scope
}

# Both are the same, and are told.
same() {
    echo "$1: kernel $2, ours $3"
    [ "$2" -gt 0 ] && [ "$2" = "$3" ]
}

status_of() {
    sed -n "s/^$2:[[:space:]]*//p" /proc/"$(systemctl show --property=MainPID --value "$1")"/status
}

is_up() {
    [ "$(systemctl is-active "$1")" = active ]
}

the_machine_is_a_debian_13_with_paranoid_3_and_the_controllers_of_cgroup_v2() {
    . /etc/os-release
    local paranoid controllers
    paranoid=$(cat /proc/sys/kernel/perf_event_paranoid)
    controllers=$(cat /sys/fs/cgroup/cgroup.controllers)
    echo "$PRETTY_NAME, Linux $(uname -r), perf_event_paranoid=$paranoid, controllers: $controllers"
    [ "$VERSION_ID" = 13 ]
    [ "$paranoid" = 3 ]
    for controller in cpu io memory pids; do
        [[ " $controllers " = *" $controller "* ]]
    done
}

the_package_installs_and_its_service_starts() {
    modprobe virtio_net
    local device
    device=$(ls /sys/bus/virtio/drivers/virtio_net/virtio*/net)
    ip address add 10.0.2.15/24 dev "$device"
    ip link set "$device" up
    eventually fetch $database/ping
    mkdir -p /etc/cgflux/conf.d
    printf '[collect]\nfile_interval = "2s"\n[host]\nname = "node-1"\n[socket]\nenabled = true\n[sinks.influxdb]\nurl = "%s"\ndatabase = "cgflux"\n' \
        $database >/etc/cgflux/conf.d/10-site.toml
    local begun=$SECONDS
    dpkg --install ./*.deb
    eventually is_up cgflux
    echo "installed and active after $((SECONDS - begun)) s"
}

the_service_is_a_user_of_its_own_with_five_capabilities() {
    local user uid
    user=$(id -u cgflux)
    uid=$(status_of cgflux Uid | cut -f1)
    echo "uid $uid, cgflux is $user"
    [ "$uid" -ne 0 ]
    [ "$uid" = "$user" ]
    echo "bounding set $(status_of cgflux CapBnd)"
    [ "$(status_of cgflux CapBnd)" = $capabilities ]
    # Each thread keeps what it needs of them.
    local held=0 set
    for set in $(sed -n 's/^CapPrm:[[:space:]]*//p' /proc/"$(pgrep --exact cgflux)"/task/*/status); do
        held=$((held | 16#$set))
    done
    printf 'its threads together hold %016x\n' $held
    [ $held -ne 0 ]
    [ $((held & ~16#$capabilities)) = 0 ]
}

check_as_the_service_says_that_all_programs_are_attached() {
    setpriv --reuid=cgflux --regid=cgflux --init-groups --inh-caps=$five --ambient-caps=$five \
        env STATE_DIRECTORY=/var/lib/cgflux cgflux check --json >/tmp/check.json || echo "exit status $?"
    jq -r '.sections[] | .name as $in | .items[] | select(.level == "warn" or .level == "fail") | "\($in) \(.name): \(.finding)"' /tmp/check.json
    jq -r '"verdict: \(.verdict); programs attached: \([.sections[] | select(.name == "programs") | .items[] | select(.details.state == "attached")] | length)"' /tmp/check.json
    [ "$(jq -r .verdict /tmp/check.json)" = ready ]
    systemctl show --property=StatusText --value cgflux
    [[ "$(systemctl show --property=StatusText --value cgflux)" = *"kernel programs"* ]]
}

a_container_of_docker_is_seen_by_its_name_with_its_limit() {
    mkdir -p /tmp/image/bin
    cp /bin/busybox /tmp/image/bin
    for it in sh dd sleep; do
        ln -sf busybox /tmp/image/bin/$it
    done
    eventually docker version --format 'Docker {{.Server.Version}}'
    tar -C /tmp/image -c . | docker import - busy
    # A load with pauses, or the emulated machine does nothing else.
    docker run --detach --name busy --memory 64m --network none busy sh -c \
        'dd if=/dev/zero of=/file bs=64k count=16 oflag=direct
         dd if=/file of=/dev/null bs=64k iflag=direct
         while :; do i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done; sleep 1; done'
    is_limited() {
        [ "$(ours busy .mem.limit_bytes)" = 67108864 ]
    }
    eventually is_limited
    ours busy '"\(.runtime) container \(.name) of image \(.image)"'
    same memory.max "$(cat "$(folder)/memory.max")" "$(ours busy .mem.limit_bytes)"
}

its_cpu_tasks_and_block_io_are_what_the_kernel_says() {
    eventually grep -q rbytes=1 "$(folder)/io.stat"
    docker pause busy
    cpu() {
        same usage_usec "$(sed -n 's/^usage_usec //p' "$(folder)/cpu.stat")" \
            "$(ours busy '.cpu.usage_ns / 1000 | floor')"
    }
    tasks() {
        same pids.current "$(cat "$(folder)/pids.current")" "$(ours busy .pids.pids)"
    }
    disk() {
        same "$1" "$(sed -n "s/.* \?$1=\([0-9]*\).*/\1/p" "$(folder)/io.stat")" \
            "$(ours busy "[.io.$2[].value] | add")"
    }
    eventually cpu
    eventually tasks
    eventually disk rbytes read_bytes
    eventually disk wbytes write_bytes
    docker unpause busy
}

points_arrive_in_the_database_outside() {
    points() {
        fetch "$database/query?db=cgflux&q=SELECT+last(usage_ns),count(usage_ns)+FROM+container_cpu+WHERE+container='busy'+AND+host='node-1'" |
            jq -e -r '.results[0].series[0].values[0] | "last usage_ns \(.[1]), of \(.[2]) points"'
    }
    eventually points
    fetch $page/api/v1/status | jq -c '.sinks[0] | .' || true
}

the_counter_counts_and_its_hits_arrive() {
    echo CGFLUX_HOST=node-1 >>/etc/cgflux/web.env
    systemctl start redis-server cgflux-web
    eventually fetch http://127.0.0.1:58080/
    for _ in $(seq 19); do
        fetch http://127.0.0.1:58080/ >/tmp/answer
    done
    echo "the 20th answer: $(cat /tmp/answer); in Redis: $(redis-cli get hits)"
    [ "$(cat /tmp/answer)" = 20 ]
    [ "$(redis-cli get hits)" = 20 ]
    hits() {
        [ "$(fetch "$database/query?db=cgflux&q=SELECT+last(hits)+FROM+web" | jq '.results[0].series[0].values[0][1]')" = 20 ]
    }
    eventually hits
}

a_purge_leaves_nothing() {
    docker rm --force busy
    dpkg --purge cgflux
    rm -r /etc/cgflux/conf.d/10-site.toml
    rmdir /etc/cgflux/conf.d /etc/cgflux
    local left
    left=$(find / -xdev -name '*cgflux*' -not -path "$PWD/*" -not -path '/var/log/journal/*')
    echo "left: ${left:-nothing}"
    [ -z "$left" ]
    is_gone() {
        ! pgrep --exact cgflux
    }
    eventually is_gone
}

claim the_machine_is_a_debian_13_with_paranoid_3_and_the_controllers_of_cgroup_v2
claim the_package_installs_and_its_service_starts
claim the_service_is_a_user_of_its_own_with_five_capabilities
claim check_as_the_service_says_that_all_programs_are_attached
claim a_container_of_docker_is_seen_by_its_name_with_its_limit
claim its_cpu_tasks_and_block_io_are_what_the_kernel_says
claim points_arrive_in_the_database_outside
claim the_counter_counts_and_its_hits_arrive
claim a_purge_leaves_nothing

[ -z "$failed" ] || journalctl --no-pager --unit 'cgflux*' | tail -n 40
conclude
