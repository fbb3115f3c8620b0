"""The process table: everything one instance runs, on one screen.

Programs are started as processes with their own settings; nothing here imports them.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from contracts import resources, topics
from infra.local import broker, emulator, lender
from infra.local.certificates import COMMAND_KEY_ID, Identity, Keys
from infra.local.instance import STATUS, VISION, WATCHED, Instance
from infra.local.layout import Layout
from infra.local.postgres import Postgres, program
from infra.local.processes import Probe, ProcessSpec

AUDIENCE = "kestrel"
SAP_USER = "KESTREL"
PORT_OWNERS = ("postgres", "mosquitto", "emulator", "api", "sap", "lender")
"""Processes that listen on the fixed port of their own name."""
_LATER = ("nice", "-n", "10")
"""For work that can wait: what speaks with an aircraft comes first where all of it shares two cores."""
_ENVIRONMENTS = ("cloud", *VISION, "trainer", "workflows", "plain", "aws")
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "USER", "SSL_CERT_FILE", "OMP_NUM_THREADS")
_TASK = Probe(kind="exit")
_ALIVE = Probe(kind="alive")


def table(layout: Layout, instance: Instance) -> dict[str, ProcessSpec]:
    """Return every process of an instance by name; ``sap`` runs only when asked for."""
    ports, database = instance.ports, database_of(layout, instance)
    state = {name: environment(layout, instance, name) for name in _ENVIRONMENTS}
    stores = ("migrate", "resources")
    here = ("-m", "infra.local")

    def ready(name: str) -> Probe:
        return Probe(kind="file", target=str(layout.ready(name)))

    def tcp(name: str) -> Probe:
        return Probe(kind="tcp", target=str(ports[name]))

    def spec(name: str, *command: str, env: str, probe: Probe = _ALIVE, needs: tuple[str, ...] = ()) -> ProcessSpec:
        made = ProcessSpec(name=name, command=command, env=state[env], probe=probe, needs=needs)
        return _watched(made, instance) if name in WATCHED else made

    health = Probe(kind="http", target=f"http://127.0.0.1:{ports['emulator']}{emulator.HEALTH_PATH}")
    api_health = Probe(kind="http", target=f"http://127.0.0.1:{ports['api']}/healthz")
    sap = (
        f"--state={layout.of('sap') / 'notifications.sqlite'}",
        f"--listen=127.0.0.1:{ports['sap']}",
        f"--user={SAP_USER}",
        f"--password={instance.sap_password}",
        f"--fault-file={layout.of('sap') / 'faults.json'}",
    )
    specs = (
        _postgres(database, state["plain"]),
        _mosquitto(layout, ports["mosquitto"], state["plain"]),
        ProcessSpec(
            name="emulator",
            command=tuple(emulator.command()),
            env=state["plain"] | emulator.environment(layout.of("emulator"), ports["emulator"]),
            probe=health,
        ),
        spec("migrate", _entry("kestrel-cloud"), "migrate", env="cloud", probe=_TASK, needs=("postgres",)),
        spec(
            "resources",
            *(sys.executable, *here, "keep-resources", "--state-dir", str(layout.state_dir)),
            env="aws",
            probe=ready("resources"),
            needs=("emulator",),
        ),
        spec(
            "lender",
            *(sys.executable, *here, "lend-credentials", "--state-dir", str(layout.state_dir)),
            env="aws",
            probe=tcp("lender"),
            needs=("emulator",),
        ),
        spec("api", _entry("kestrel-cloud"), "serve", env="cloud", probe=api_health, needs=stores),
        spec("ingest", _entry("kestrel-cloud"), "ingest", env="cloud", needs=("migrate", "mosquitto")),
        spec("consume", _entry("kestrel-cloud"), "consume", env="cloud", needs=stores),
        spec("reconcile", _entry("kestrel-cloud"), "reconcile", env="cloud", needs=stores),
        *(spec(name, *_LATER, _entry("kestrel-vision"), "work", env=name, needs=("resources",)) for name in VISION),
        spec("trainer", _entry("kestrel-vision"), "learn", env="trainer", needs=("resources",)),
        spec("workflows", _entry("kestrel-workflows"), "work", env="workflows", needs=stores),
        spec("sap", _entry("kestrel-sim"), "sap", *sap, env="plain", probe=tcp("sap")),
    )
    return {item.name: item for item in specs}


def _watched(spec: ProcessSpec, instance: Instance) -> ProcessSpec:
    """Give a program its status page; where no other sign was chosen, it is ready when that says so."""
    prefix = "VISION" if spec.name in VISION else "CLOUD"
    env = spec.env | {f"{prefix}_STATUS_PORT": str(instance.ports[spec.name + STATUS])}
    able = Probe(kind="http", target=f"{status_url(instance, spec.name)}/readyz")
    return spec.model_copy(update={"env": env, "probe": able if spec.probe is _ALIVE else spec.probe})


def status_url(instance: Instance, name: str) -> str:
    """Return where a program answers /healthz, /readyz and /metrics."""
    return f"http://127.0.0.1:{instance.ports[name + STATUS]}"


def default_names(names: list[str]) -> list[str]:
    """Return which of the table's names ``kestrel up`` starts unasked: training needs torch, and all of the machine."""
    return [name for name in names if name not in {"sap", "trainer"}]


def database_of(layout: Layout, instance: Instance) -> Postgres:
    """Return the instance's database server."""
    return Postgres(layout.of("postgres"), layout.sockets(), instance.ports["postgres"], instance.database_password)


def environment(layout: Layout, instance: Instance, program_name: str) -> dict[str, str]:
    """Return the whole environment of a program: one of ``_ENVIRONMENTS``.

    Little is inherited: a stray AWS profile of the user must never reach a real account.
    """
    plain = {key: os.environ[key] for key in _INHERITED if key in os.environ} | {"PYTHONUNBUFFERED": "1"}
    aws = plain | emulator.client_environment(instance.ports["emulator"], instance.aws_secret)
    match program_name:
        case "plain":
            return plain
        case "aws":
            return aws
        case name if name in VISION:
            threads = max(1, (os.cpu_count() or 1) // len(VISION))
            return aws | _vision(layout.of(name)) | {"VISION_THREADS": str(threads)}
        case "trainer":
            return aws | _vision(layout.of("vision"))
        case "cloud" | "workflows":
            return aws | _cloud(layout, instance)
        case _:
            raise KeyError(program_name)


def _vision(state_dir: Path) -> dict[str, str]:
    return {"VISION_BUCKET": resources.BUCKET, "VISION_STATE_DIR": str(state_dir)}


def drone_environment(layout: Layout, instance: Instance, drone_id: str, identity: Identity) -> dict[str, str]:
    """Return a drone agent's environment, less its autopilot and camera."""
    keys = Keys(layout.certificates)
    aws = emulator.client_environment(instance.ports["emulator"], instance.aws_secret)
    return (
        environment(layout, instance, "plain")
        # Where the store is, and no key to it: the drone borrows rights with its certificate.
        | {name: value for name, value in aws.items() if name not in emulator.KEYS}
        | {
            "EDGE_DRONE_ID": drone_id,
            "EDGE_STATE_DIR": str(layout.drones / drone_id),
            "EDGE_BUCKET": resources.BUCKET,
            "EDGE_COMMAND_KEYS_DIR": str(keys.command_keys_dir),
            "EDGE_AWS_IOT": "false",
            # The emulator computes CRC-64/NVME in plain Python: fifteen seconds a part.
            "EDGE_STORE_CHECKSUM": "CRC32",
            "EDGE_CREDENTIALS_URL": lender.url(instance.ports["lender"]),
        }
        | _mqtt("EDGE", instance, identity)
    )


def _cloud(layout: Layout, instance: Instance) -> dict[str, str]:
    keys, ports = Keys(layout.certificates), instance.ports
    api = f"http://127.0.0.1:{ports['api']}"
    return {
        "CLOUD_DATABASE_URL": database_of(layout, instance).url(),
        "CLOUD_COMMAND_SIGNING_KEY_FILE": str(keys.command_signing_key_file),
        "CLOUD_COMMAND_KEY_ID": COMMAND_KEY_ID,
        "CLOUD_BROKER_RULES_FILE": str(broker.rules_file(layout.of("mosquitto"))),
        "CLOUD_BROKER_PID_FILE": str(broker.pid_file(layout.of("mosquitto"))),
        "CLOUD_EVIDENCE_SIGNING_KEY_FILE": str(keys.evidence_signing_key_file),
        "CLOUD_BUCKET": resources.BUCKET,
        "CLOUD_HOST": "127.0.0.1",
        "CLOUD_PORT": str(ports["api"]),
        "CLOUD_ISSUER": f"{api}/oidc",
        "CLOUD_AUDIENCE": AUDIENCE,
        "CLOUD_ISSUER_KEY_FILE": str(keys.issuer_key_file),
        "CLOUD_SESSION_KEY_FILE": str(keys.session_key_file),
        "CLOUD_SAP_URL": f"http://127.0.0.1:{ports['sap']}",
        "CLOUD_SAP_PAGE": f"http://127.0.0.1:{ports['sap']}/sap/ui/notification/{{number}}",
        "CLOUD_SAP_USER": SAP_USER,
        "CLOUD_SAP_PASSWORD": instance.sap_password,
    } | _mqtt("CLOUD", instance, keys.identity(topics.PLATFORM_IDENTITY))


def _mqtt(prefix: str, instance: Instance, identity: Identity) -> dict[str, str]:
    return {
        f"{prefix}_MQTT_URL": f"mqtts://127.0.0.1:{instance.ports['mosquitto']}",
        f"{prefix}_CA_FILE": str(identity.ca_file),
        f"{prefix}_CERT_FILE": str(identity.cert_file),
        f"{prefix}_KEY_FILE": str(identity.key_file),
    }


def _postgres(database: Postgres, env: dict[str, str]) -> ProcessSpec:
    return ProcessSpec(
        name="postgres",
        command=tuple(database.command()),
        env=env | {"LC_ALL": "C"},
        probe=Probe(kind="command", target=f"{program('pg_isready')}\n-q\n-h\n127.0.0.1\n-p\n{database.port}"),
        # SIGTERM would wait for clients for ever.
        stop_signal=signal.SIGINT,
        grace_s=20.0,
    )


def _mosquitto(layout: Layout, port: int, env: dict[str, str]) -> ProcessSpec:
    server = broker.executable()
    library_path = broker.library_path(server)
    return ProcessSpec(
        name="mosquitto",
        command=(str(server), "-c", str(layout.of("mosquitto") / "mosquitto.conf")),
        env=env | ({"LD_LIBRARY_PATH": library_path} if library_path else {}),
        probe=Probe(kind="tcp", target=str(port)),
    )


def _entry(name: str) -> str:
    return str(Path(sys.executable).with_name(name))
