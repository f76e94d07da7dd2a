import pickle
from pathlib import Path

import pytest

from privacy.tokens import Tokeniser, TokenKind, generate_key_file
from veilocity.errors import SettingsError


def key_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "token.key"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_generated_key_makes_tokens_and_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "token.key"
    generate_key_file(path)
    assert path.stat().st_mode & 0o777 == 0o600
    first = Tokeniser.from_file(path)
    assert first.token(TokenKind.CARD, "4111") == Tokeniser.from_file(path).token(TokenKind.CARD, "4111")
    with pytest.raises(FileExistsError):
        generate_key_file(path)


@pytest.mark.parametrize(
    ("text", "mode", "sentence"),
    [
        ("ab" * 32, 0o644, "chmod 600"),
        ("ab" * 32, 0o620, "chmod 600"),
        ("ab" * 16, 0o600, "16 bytes instead of 32"),
        ("zz" * 32, 0o600, "hexadecimal"),
        ("", 0o600, "0 bytes"),
    ],
)
def test_a_key_file_that_is_not_safe_is_refused_with_what_to_do(tmp_path: Path, text: str, mode: int, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence) as refused:
        Tokeniser.from_file(key_file(tmp_path, text, mode))
    assert not text or text not in str(refused.value)


def test_a_missing_key_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="openssl rand -hex 32"):
        Tokeniser.from_file(tmp_path / "nowhere")


def test_tokens_differ_by_kind_and_by_key() -> None:
    one, two = Tokeniser(b"1" * 32), Tokeniser(b"2" * 32)
    tokens = {tokeniser.token(kind, "same") for kind in TokenKind for tokeniser in (one, two)}
    assert len(tokens) == 2 * len(TokenKind)
    assert one.check_value() != two.check_value()


def test_a_key_never_travels() -> None:
    tokeniser = Tokeniser(b"k" * 32)
    assert "kkk" not in repr(tokeniser)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(tokeniser)
