# A host of the lab; nuages lab writes it for each boot.
while :; do
ip link delete nulab0.11 2>/dev/null
umount /lab/labs/lab/hosts/web-1/netns 2>/dev/null
: > /lab/labs/lab/hosts/web-1/netns
unshare --net=/lab/labs/lab/hosts/web-1/netns true
nsenter --net=/lab/labs/lab/hosts/web-1/netns ip link add eth0 address 02:00:12:00:00:0b type veth peer name nulab0.11 netns $$
nsenter --net=/lab/labs/lab/hosts/web-1/netns ip -batch - <<END
link set lo up
address add 198.18.0.11/24 broadcast 198.18.0.255 dev eth0
link set eth0 up
route add default via 198.18.0.1
END
ip link set nulab0.11 master nulab0 up
sh -c '
    echo $$ > /sys/fs/cgroup/nuages-lab/lab/web-1/cgroup.procs
    exec nsenter --net=/lab/labs/lab/hosts/web-1/netns systemd-nspawn --quiet --boot --register=no --keep-unit --network-namespace-path=/lab/labs/lab/hosts/web-1/netns --capability=CAP_NET_ADMIN,CAP_NET_RAW --resolv-conf=off --timezone=off --link-journal=no --hostname=web-1 --machine=nulab0-web-1 --bind=/lab/cache/debs-13/var/cache/apt/archives:/var/cache/nuages-lab/debs --bind=/lab/cache/pip:/var/cache/nuages-lab/pip --bind=/lab/cache/uv:/var/cache/nuages-lab/uv --directory=/lab/labs/lab/hosts/web-1/root
'
[ $? = 133 ] || exit
done
