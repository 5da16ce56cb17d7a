#!/bin/busybox sh
# The first process of `cargo xtask vm aarch64`: mounts what there is to mount, and has claimed of the agent there what
# needs a kernel of that processor. Results go to the PCI card's serial port.
/bin/busybox --install -s /bin
export PATH=/bin HOME=/tmp
mkdir -p /dev /proc /sys /tmp
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t bpf bpf /sys/fs/bpf
cgroups=/sys/fs/cgroup
mount -t cgroup2 cgroup $cgroups
echo '+cpu +io +memory +pids' >$cgroups/cgroup.subtree_control
ip link set lo up
hostname node-1
machine=aarch64
. /claims.sh

fetch() {
    wget -qO- "http://127.0.0.1:8190$1"
}

# A number of the cgroup `load`, by what stands before it in the page's JSON; each entry begins with its cgroup.
ours() {
    fetch /api/v1/containers | sed 's/{"cgroup":/\n&/g; s/"machine":/\n&/' |
        sed -n "/\"path\":\"\/load\"/s/.*$1\([0-9]*\).*/\1/p"
}

# Both are the same, and are told.
same() {
    echo "$1: kernel $2, ours $3"
    [ "$2" -gt 0 ] && [ "$2" = "$3" ]
}

the_program_runs_and_its_configuration_holds() {
    uname -srm
    [ "$(uname -m)" = aarch64 ]
    cgflux --version
    cgflux config check | tail -n 1
}

all_programs_are_attached() {
    cgflux check --json >/tmp/check.json || echo "exit status $?"
    grep -o '"verdict": *"[a-z]*"' /tmp/check.json
    echo "programs attached: $(grep -o '"state": *"attached"' /tmp/check.json | wc -l)"
    grep -q '"verdict": *"ready"' /tmp/check.json
}

it_counts_on_the_spot() {
    cgflux stat --once >/tmp/stat 2>&1
    head -n 5 /tmp/stat
    grep -q 'by kernel programs' /tmp/stat
}

cpu_and_block_io_of_a_cgroup_are_what_the_kernel_says() {
    cgflux run --state-dir /tmp/state >/tmp/log 2>&1 &
    eventually fetch /readyz
    mkdir $cgroups/load
    # The file has its blocks already: what a file system does for itself is not the load's.
    mke2fs -b 4096 /dev/nvme0n1 >/dev/null
    mkdir /disk
    mount -t ext4 /dev/nvme0n1 /disk
    dd if=/dev/zero of=/disk/file bs=64k count=16 conv=fsync
    sync
    sh -c "echo 0 >$cgroups/load/cgroup.procs
        dd if=/dev/zero of=/disk/file bs=64k count=16 oflag=direct conv=notrunc
        dd if=/disk/file of=/dev/null bs=64k iflag=direct
        i=0; while [ \$i -lt 20000 ]; do i=\$((i+1)); done"
    cpu() {
        usage_ns=$(ours '"cpu":{"usage_ns":')
        same usage_usec "$(sed -n 's/^usage_usec //p' $cgroups/load/cpu.stat)" $((usage_ns / 1000))
    }
    disk() {
        same $1 "$(sed -n "s/.* $1=\([0-9]*\).*/\1/p" $cgroups/load/io.stat)" \
            "$(ours "\"$2\":\[{\"labels\":{\"device\":\"nvme0n1\"},\"value\":")"
    }
    eventually cpu
    eventually disk rbytes read_bytes
    eventually disk wbytes write_bytes
}

{
    claim the_program_runs_and_its_configuration_holds
    claim all_programs_are_attached
    claim it_counts_on_the_spot
    claim cpu_and_block_io_of_a_cgroup_are_what_the_kernel_says
    [ -z "$failed" ] || cat /tmp/log
    conclude
    echo "END OF THE MACHINE"
} >/dev/ttyS0 2>&1
poweroff -f
