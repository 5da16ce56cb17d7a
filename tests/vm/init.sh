#!/bin/busybox sh
# The first process of a machine of `cargo xtask vm`: mounts what there is to mount, runs the tests, ends the machine.
# The boot's name is on the kernel's command line; what it lays out here is all that the command line cannot.
/bin/busybox --install -s /bin
export PATH=/bin HOME=/tmp
mkdir -p /dev /proc /sys /tmp /disk
chmod 1777 /tmp
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t securityfs security /sys/kernel/security
mount -t bpf bpf /sys/fs/bpf

told() {
    sed -n "s/.*cgflux\.$1=\([^ ]*\).*/\1/p" /proc/cmdline | tr , ' '
}

boot=$(told boot)
cgroups=/sys/fs/cgroup

# Each v1 controller in a hierarchy of its own, as systemd mounted them.
mount_v1() {
    mount -t tmpfs cgroup $cgroups
    for controllers in cpu,cpuacct blkio memory pids; do
        mkdir $cgroups/$controllers
        mount -t cgroup -o $controllers cgroup $cgroups/$controllers || rmdir $cgroups/$controllers
    done
}

mount_v2() {
    mkdir -p $1
    mount -t cgroup2 cgroup $1
    for controller in cpu io memory pids; do
        # One that the kernel lacks, or that a hierarchy of its own has, must not keep the others off.
        echo +$controller 2>/dev/null >$1/cgroup.subtree_control
    done
}

case $boot in
hybrid | lockdown-hybrid)
    mount_v1
    mount_v2 $cgroups/unified
    ;;
v1-only)
    mount_v1
    ;;
*)
    mount_v2 $cgroups
    ;;
esac
if [ "$boot" = no-btf ]; then
    mount -t tmpfs nothing /sys/kernel/btf
fi

ip link set lo up
mke2fs -b 4096 /dev/nvme0n1 >/dev/null && mount -t ext4 /dev/nvme0n1 /disk

export CGFLUX_TESTS_DISK=/disk

# Results go to the second serial port; the kernel writes to the first.
vm --test-threads=1 --nocapture $(told claims) >/dev/ttyS1 2>&1
echo "END OF THE MACHINE" >/dev/ttyS1
poweroff -f
