import json


def test_one_file_gives_its_text_alone(mesh, gateway, tmp_path):
    (tmp_path / "a.wav").write_bytes(b"sound")
    result = mesh("transcribe", "a.wav", "--language", "pt")
    assert result.output == "olá, mundo\n"
    assert gateway.asked == [
        {"response_format": "text", "model": "whisper-1", "language": "pt", "bytes": 5}
    ]


def test_several_files_are_told_apart(mesh, tmp_path):
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).write_bytes(b"sound")
    result = mesh("transcribe", "a.wav", "b.wav", "--format", "srt")
    assert result.output == "==> a.wav <==\nolá, mundo\n==> b.wav <==\nolá, mundo\n"
    result = mesh("transcribe", "a.wav", "b.wav", "--format", "json")
    assert [json.loads(line)["text"] for line in result.output.splitlines()] == ["olá", "olá"]


def test_a_bad_file_does_not_stop_the_others_and_the_status_tells(mesh, tmp_path):
    (tmp_path / "bad").write_bytes(b"noise")
    (tmp_path / "good").write_bytes(b"sound")
    result = mesh("transcribe", "bad", "good")
    assert result.exit_code == 1
    assert "bad: no audio that can be decoded (field: file)" in result.stderr
    assert "olá, mundo" in result.stdout


def test_no_mesh_is_said_once(mesh, tmp_path):
    (tmp_path / "a").write_bytes(b"sound")
    result = mesh("transcribe", "a", "a", "--url", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert result.output.count("no mesh answers") == 1


def test_a_missing_file_is_refused(mesh):
    assert mesh("transcribe", "none.wav").exit_code == 2


def test_voices_as_a_table(mesh):
    result = mesh("voices")
    assert result.exit_code == 0
    assert "heart" in result.output
    assert "dora" in result.output


def test_voices_of_one_language(mesh):
    result = mesh("voices", "--language", "PT")
    assert "pf_dora" in result.output
    assert "heart" not in result.output
    result = mesh("voices", "--language", "xx")
    assert result.exit_code == 1
    assert "no voice speaks 'xx'" in result.output


def test_voices_as_json(mesh):
    assert len(json.loads(mesh("voices", "--json").output)["voices"]) == 2
