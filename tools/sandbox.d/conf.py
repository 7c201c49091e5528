# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration that the nodes find when they boot: corosync, Pacemaker's seed, hosts, CTDB's
list of nodes. Each node has its own /etc, /var/lib and /var/cache over the host's."""
import grp, os, pwd

import smbd
from base import SANDBOX, address, write

COROSYNC_CONF = """totem {{
    version: 2
    cluster_name: sandbox
    transport: knet
    ip_version: {ip_version}
    crypto_cipher: aes256
    crypto_hash: sha256
    token: {token}
    token_coefficient: {coefficient}
    interface {{
        linknumber: 0
        knet_ping_interval: {ping}
        knet_ping_timeout: {token}
        knet_pong_count: 1
    }}
}}
quorum {{
    provider: corosync_votequorum
    two_node: {two_node}
}}
system {{
    sched_rr: no
    priority: max
    move_to_root_cgroup: no
    allow_knet_handle_fallback: yes
}}
logging {{
    to_stderr: no
    to_syslog: no
    to_logfile: yes
    logfile: /var/log/corosync/corosync.log
    timestamp: hires
}}
nodelist {{
{nodes}}}
"""

CIB = """<cib crm_feature_set="3.0.14" validate-with="pacemaker-3.0" admin_epoch="0" epoch="1" num_updates="0">
  <configuration>
    <crm_config>
      <cluster_property_set id="cib-bootstrap-options">
        <nvpair id="opt-stonith-enabled" name="stonith-enabled" value="true"/>
        <nvpair id="opt-stonith-timeout" name="stonith-timeout" value="20s"/>
        <nvpair id="opt-dc-deadtime" name="dc-deadtime" value="500ms"/>
      </cluster_property_set>
    </crm_config>
    <nodes/>
    <resources>
      <primitive id="fencing" class="stonith" type="fence_sandbox">
        <instance_attributes id="fencing-params">
          <nvpair id="fencing-host-check" name="pcmk_host_check" value="static-list"/>
          <nvpair id="fencing-host-list" name="pcmk_host_list" value="{names}"/>
        </instance_attributes>
      </primitive>
    </resources>
    <constraints/>
  </configuration>
  <status/>
</cib>
"""

# Nothing of the host's own shows through these
OPAQUE = ["etc/corosync", "etc/ctdb", "var/lib/corosync", "var/lib/pacemaker", "var/lib/cotdb",
          "var/lib/ctdb"]


def corosync_conf(conf, token):
    # two_node keeps both halves quorate, so that only fencing decides: of no use without it
    return COROSYNC_CONF.format(
        ip_version="ipv6" if conf["ipv6"] else "ipv4",
        token=token, coefficient=100, ping=max(token // 5, 50),
        two_node=int(conf["n"] == 2 and conf["pacemaker"]),
        nodes="".join(f"    node {{\n        ring0_addr: {address(conf, k)}\n        nodeid: {k}\n"
                      f"        name: node{k}\n    }}\n" for k in range(1, conf["n"] + 1)))


def write_nodes(conf, token):
    """The private folders of every node, under SANDBOX/nodes/NODE."""
    numbers = range(1, conf["n"] + 1)
    names = " ".join(f"node{k}" for k in numbers)
    hosts = "127.0.0.1 localhost\n" + "".join(f"{address(conf, k)} node{k}\n" for k in numbers)
    addresses = "".join(f"{address(conf, k)}\n" for k in numbers)
    corosync, key = corosync_conf(conf, token), os.urandom(256)
    uid, gid = pwd.getpwnam("hacluster").pw_uid, grp.getgrnam("haclient").gr_gid
    if conf["samba"]:
        smbd.write_shares(conf["fs"])
    for k in numbers:
        d = f"{SANDBOX}/nodes/node{k}/"
        for sub in "mnt", "etc", "var/lib", "var/cache/sandbox-home", "work/etc", "work/var/lib", \
                "work/var/cache", "var/log/corosync", "var/log/crmsh":
            os.makedirs(d + sub)
        for sub in OPAQUE:
            os.makedirs(d + sub)
            os.setxattr(d + sub, "trusted.overlay.opaque", b"y")
        os.mkdir(d + "etc/corosync/uidgid.d")
        for sub in "lib/pacemaker", "lib/pacemaker/cib", "lib/pacemaker/pengine", \
                "lib/pacemaker/cores", "lib/pacemaker/blackbox", "log/pacemaker", \
                "log/pacemaker/bundles":
            os.makedirs(d + "var/" + sub, exist_ok=True)
            os.chown(d + "var/" + sub, uid, gid)
            os.chmod(d + "var/" + sub, 0o770 if "log" in sub else 0o750)
        write(d + "etc/hosts", hosts)
        write(d + "etc/hostname", f"node{k}\n")
        write(d + "etc/ctdb/nodes", addresses)
        write(d + "etc/corosync/corosync.conf", corosync)
        write(d + "etc/corosync/authkey", key, 0o400)
        if conf["samba"]:
            smbd.write_node(d)
        write(d + "var/lib/pacemaker/cib/cib.xml", CIB.format(names=names), 0o600)
        os.chown(d + "var/lib/pacemaker/cib/cib.xml", uid, gid)
