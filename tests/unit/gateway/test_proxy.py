"""Bodies that the gateway keeps until a replica has answered."""

from functools import partial
from pathlib import Path

from gateway.proxy import SMALL_BODY


def test_a_body_that_finds_no_room_is_to_come_again(make_client, service, monkeypatch):
    full_disk = partial(Path("/dev/full").open, "w+b", buffering=0)
    monkeypatch.setattr("gateway.proxy.TemporaryFile", full_disk)
    answer = make_client().post("/transcribe", data=bytes(SMALL_BODY + 1))
    assert answer.status_code == 503
    assert answer.json["error"]["code"] == "disk_full"
    assert int(answer.headers["Retry-After"]) >= 1
    assert [seen for seen in service.seen if seen[0] == "POST"] == []
