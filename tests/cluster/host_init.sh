#!/usr/bin/env bash
# Process 1 of a simulated host: host_init.sh ROOT NAME, in new mount, pid, uts and ipc namespaces (see hosts.py).
set -euo pipefail
root=$1 name=$2
mount --make-rprivate /
mount -t proc proc /proc
hostname "$name"
export HOME=/root

# What has to stay visible is held while /tmp and the home, below which it may lie, are covered.
mapfile -t visible < "$root/visible"
hold=$(mktemp --directory /run/fsm-hold.XXXX)
mount -t tmpfs tmpfs "$hold"
for i in "${!visible[@]}"; do
  mkdir "$hold/$i"
  mount --bind "${visible[i]}" "$hold/$i"
done
mount --bind "$root/etc_hosts" /etc/hosts
mount --bind "$root/$name/home" "$HOME"
for folder in /tmp /dev/shm; do
  mount -t tmpfs -o mode=1777 tmpfs "$folder"
done
for i in "${!visible[@]}"; do
  mkdir -p "${visible[i]}"
  mount --bind "$hold/$i" "${visible[i]}"
done
umount --lazy --recursive "$hold"
rmdir "$hold"
mount -t tmpfs tmpfs /run

mkdir -p --mode=700 "$HOME/.ssh" /run/sshd
install --mode=600 "$root/key" "$HOME/.ssh/id_ed25519"
install --mode=600 "$root/key.pub" "$HOME/.ssh/authorized_keys"
touch "$HOME/.bashrc"
host_key=$root/$name/host_key # it stays the same when the power is cut
[ -f "$host_key" ] || ssh-keygen -q -t ed25519 -N "" -f "$host_key"
/usr/sbin/sshd -f /dev/null -h "$host_key" -E "$root/$name/log" -o PidFile=none -o MaxStartups=100 \
  -o PasswordAuthentication=no -o KbdInteractiveAuthentication=no -o PermitRootLogin=prohibit-password
touch "$root/$name/booted"
# A shell that waits reaps the processes that lose their parents.
while true; do
  sleep 1000 &
  wait $! || true
done
