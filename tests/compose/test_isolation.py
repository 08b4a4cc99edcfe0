"""What a container may do, and what is open to whom."""

from __future__ import annotations

import json

import pytest
import requests

from tests.compose.stack import PORTS, SERVICES

_RIGHTS = """
import json, pathlib
status = {}
for folder in pathlib.Path("/proc").glob("[0-9]*"):
    lines = (folder / "status").read_text().splitlines()
    status[folder.name] = {k: v.split() for k, _, v in (line.partition(":") for line in lines)}
print(json.dumps(status))
"""
_WRITABLE = """
import json, os, pathlib
places = ["/", "/app", "/opt/venv", "/etc", "/usr", "/tmp", "/voices", "/var/lib/voicemesh",
          "/var/lib/voicemesh/models"]
def can_write(place):
    probe = pathlib.Path(place, ".probe")
    try:
        probe.touch(); probe.unlink()
    except OSError:
        return False
    return True
print(json.dumps([place for place in places if can_write(place)]))
"""
_LISTENING = """
import json, pathlib
found = []
for table in ("tcp", "tcp6", "udp", "udp6"):
    path = pathlib.Path("/proc/net", table)
    for line in path.read_text().splitlines()[1:] if path.exists() else ():
        _, local, remote, state = line.split()[:4]
        address, port = local.split(":")
        # 0A: a TCP socket that listens; 07 with no remote end: a UDP socket that waits.
        if state == ("0A" if "tcp" in table else "07"):
            # The kernel writes the bytes of the address in the machine's order: 127.0.0.11 ends 7F.
            near = address.endswith("7F") or address == "00000000000000000000000001000000"
            found.append([table, near, int(port, 16)])
print(json.dumps(found))
"""


@pytest.mark.parametrize("service", SERVICES)
def test_no_process_is_root_or_could_become_it(mesh, service):
    container = mesh.container(service)
    processes = json.loads(mesh.python(container, _RIGHTS))
    assert processes
    for status in processes.values():
        assert set(status["Uid"]) == set(status["Gid"]) == {"10001"}
        assert status["CapEff"] == status["CapBnd"] == ["0000000000000000"]
        assert status["NoNewPrivs"] == ["1"]


@pytest.mark.parametrize("service", SERVICES)
def test_only_scratch_and_volumes_can_be_written(mesh, service):
    container = mesh.container(service)
    assert mesh.inspect(container)["HostConfig"]["ReadonlyRootfs"] is True
    volumes = {
        "gateway": set(),
        "tts": {"/voices", "/var/lib/voicemesh", "/var/lib/voicemesh/models"},
    }.get(service, {"/var/lib/voicemesh", "/var/lib/voicemesh/models"})
    assert set(json.loads(mesh.python(container, _WRITABLE))) == {"/tmp"} | volumes


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_listens_at_its_own_port_only(mesh, service):
    found = json.loads(mesh.python(mesh.container(service), _LISTENING))
    assert [[kind, port] for kind, near, port in found if not near] == [["tcp", PORTS[service]]]


def test_only_the_gateway_is_published_and_only_on_loopback(mesh):
    published = {}
    for service in (*SERVICES, "ollama"):
        ports = mesh.inspect(mesh.container(service))["NetworkSettings"]["Ports"]
        published[service] = {
            (binding["HostIp"], int(binding["HostPort"]))
            for bindings in ports.values()
            for binding in bindings or ()
        }
    gateway = published.pop("gateway")
    assert gateway == {("127.0.0.1", port) for port in (mesh.gateway, mesh.tts, mesh.stt)}
    assert set().union(*published.values()) == set()


def test_a_foreign_host_name_is_refused(mesh):
    answer = requests.get(f"{mesh.url}/v1/models", headers={"Host": "evil.example"}, timeout=30)
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "host_not_allowed"


def test_publishing_beyond_loopback_needs_a_token(mesh):
    # Only the setting is tried: nothing is published beyond loopback by a test.
    with pytest.raises(AssertionError, match=r"BIND_HOST=0\.0\.0\.0 needs API_TOKENS"):
        mesh.docker(
            *("run", "--rm", "-e", "PUBLISHED_HOST=0.0.0.0"),
            mesh.inspect(mesh.container("gateway"))["Image"],
        )


def test_with_a_token_everybody_needs_it_the_services_too(mesh):
    try:
        mesh.up(variables={"API_TOKENS": "secret,second"})
        body = {"text": "Hello."}
        refused = requests.post(f"{mesh.url}/synthesize", json=body, timeout=60)
        assert refused.status_code == 401
        assert refused.json()["error"]["code"]
        allowed = requests.post(
            f"{mesh.url}/synthesize",
            json=body,
            headers={"Authorization": "Bearer second"},
            timeout=60,
        )
        assert allowed.status_code == 200
        inside = mesh.python(
            mesh.container("stt"),
            "import urllib.request as r, urllib.error as e\n"
            "try: print(r.urlopen('http://tts:5000/v1/audio/voices').status)\n"
            "except e.HTTPError as error: print(error.code)",
        )
        assert inside.strip() == "401"
    finally:
        mesh.up()
