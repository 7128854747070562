"""The key of a certificate that `up` made is looked for where secrets leak by habit."""

from collections.abc import Callable

import pytest

from tests.e2e.conftest import free_ports
from tests.e2e.test_secrets_nowhere import search, watching_processes
from tests.faults.conftest import Stack, output

BEGIN = "PRIVATE KEY-----\n"


@pytest.mark.full
def test_the_key_of_a_certificate_made_here_shows_nowhere(new_stack: Callable[[], Stack]) -> None:
    stack, (port,) = new_stack(), free_ports(1)
    with watching_processes() as seen:
        done = stack.up("--config", "tls=self-signed", "--config", f"httpsPort={port}")
        assert done.returncode == 0, done.stderr
        stack.secure_port = port
        said = "".join(stack.amas(*words).stdout for words in (("smoke",), ("status",), ("logs",)))
    assert len(seen) > 50, "the watch sees processes"
    pem = stack.pulumi("config", "get", "amas:tlsSelfSigned").stdout
    key = pem.partition(BEGIN)[2].split("\n")[0]
    assert len(key) > 40
    places = {
        **seen,
        "what verbs said": (done.stdout + done.stderr + said).encode(),
        "pulumi stack export": stack.pulumi("stack", "export").stdout.encode(),
        **{
            f"inspect of {name}": output("docker", "inspect", one).encode()
            for one, name in stack.containers().items()
        },
        **{
            f"logs of {name}": output("docker", "logs", one).encode()
            for one, name in stack.containers().items()
        },
        **{
            str(file): file.read_bytes()
            for file in stack.state_dir.rglob("*")
            if file.is_file() and "plugins" not in file.parts
        },
    }
    assert search(places, {"tlsSelfSigned": key}) == {}
