"""Invariants of what runs: tasks, machines, functions, state machines, images; and of who may speak over MQTT."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from contracts import resources
from infra.aws import iot_policies
from infra.aws.gates.templates import Properties, Templates
from infra.aws.place import Place

DEFINITIONS = Path(__file__).resolve().parents[3] / "workflows" / "definitions"
_SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|_KEY$|PRIVATE")
_STACK_LIMIT = 400


def containers(templates: Templates, _place: Place) -> Iterator[str]:
    """No container is root, writes its own root, is privileged, or has a secret among its plain variables."""
    for task in templates.all("AWS::ECS::TaskDefinition"):
        for container in task.properties.get("ContainerDefinitions", []):
            yield from (f"{task.where}/{container['Name']}: {said}" for said in _of_container(container))


def _of_container(container: Properties) -> Iterator[str]:
    if container.get("ReadonlyRootFilesystem") is not True:
        yield "can write its own programs"
    if str(container.get("User", "0")) in {"0", "root"}:
        yield "runs as root"
    if container.get("Privileged"):
        yield "is privileged"
    for variable in container.get("Environment", []):
        if _SECRET.search(variable["Name"]):
            yield f"{variable['Name']} is a secret in plain text"


def services(templates: Templates, _place: Place) -> Iterator[str]:
    """Tasks have no public address, and nobody opens a shell in them."""
    for service in templates.all("AWS::ECS::Service"):
        network = service.properties.get("NetworkConfiguration", {}).get("AwsvpcConfiguration", {})
        if network.get("AssignPublicIp", "DISABLED") != "DISABLED":
            yield f"{service.where}: tasks have public addresses"
        if service.properties.get("EnableExecuteCommand"):
            yield f"{service.where}: a shell can be opened in its tasks"


def machines(templates: Templates, _place: Place) -> Iterator[str]:
    """GPU machines: encrypted disks, and their role out of reach of containers and forged requests."""
    for template in templates.all("AWS::EC2::LaunchTemplate"):
        said = template.properties.get("LaunchTemplateData", {})
        if said.get("MetadataOptions", {}).get("HttpTokens") != "required":
            yield f"{template.where}: gives its role to forged requests (IMDSv1)"
        for disk in said.get("BlockDeviceMappings", []):
            if disk.get("Ebs", {}).get("Encrypted") is not True:
                yield f"{template.where}: has a disk that is not encrypted"


def functions(templates: Templates, place: Place) -> Iterator[str]:
    """Functions are called by named resources of this account only, and not without limit."""
    for function in templates.all("AWS::Lambda::Function"):
        if "ReservedConcurrentExecutions" not in function.properties:
            yield f"{function.where}: can use up the account's concurrency"
    for permission in templates.all("AWS::Lambda::Permission"):
        said = permission.properties
        if said.get("SourceAccount") != place.account and place.account not in json.dumps(said.get("SourceArn", "")):
            yield f"{permission.where}: any account's {said.get('Principal')} may call it"


def images(templates: Templates, _place: Place) -> Iterator[str]:
    """A tag stays what it was, and images are scanned."""
    for repository in templates.all("AWS::ECR::Repository"):
        if repository.properties.get("ImageTagMutability") != "IMMUTABLE":
            yield f"{repository.where}: a tag can become another image"
        if repository.properties.get("ImageScanningConfiguration", {}).get("ScanOnPush") is not True:
            yield f"{repository.where}: images are not scanned"


def state_machines(templates: Templates, _place: Place) -> Iterator[str]:
    """The machines are the files, logged and traced."""
    found = {
        str(one.properties.get("StateMachineName")): one for one in templates.all("AWS::StepFunctions::StateMachine")
    }
    for name, file in resources.STATE_MACHINES.items():
        if name not in found:
            yield f"kestrel-workflow: state machine {name} is missing"
            continue
        said = found[name].properties
        if said.get("DefinitionString") != (DEFINITIONS / file).read_text(encoding="utf-8"):
            yield f"{found[name].where}: is not workflows/definitions/{file}"
        if said.get("LoggingConfiguration", {}).get("Level") not in {"ERROR", "ALL"}:
            yield f"{found[name].where}: does not log its errors"


def trainings(templates: Templates, _place: Place) -> Iterator[str]:
    """A training's disk has our key, and what its machines tell each other is encrypted."""
    for one in templates.all("AWS::SageMaker::Pipeline", "AWS::StepFunctions::StateMachine"):
        text = json.dumps(one.properties)
        if text.count("VolumeKmsKeyId") < text.count("VolumeSizeInGB"):
            yield f"{one.where}: has a disk that is not encrypted with our key"
        if len(re.findall(r"EnableInterContainerTrafficEncryption\W+true", text)) < text.count("StoppingCondition"):
            yield f"{one.where}: its machines speak in the clear"


def drone_policies(templates: Templates, place: Place) -> Iterator[str]:
    """MQTT policies are exactly the table of topics; a drone connects as its own attached thing, or not at all."""
    wanted = iot_policies.policies(place)
    found = {str(one.properties.get("PolicyName")): one for one in templates.all("AWS::IoT::Policy")}
    for name in sorted(set(wanted) ^ set(found)):
        yield f"kestrel-iot: policy {name} is {'missing' if name in wanted else 'not in the table'}"
    for name, policy in found.items():
        document = policy.properties["PolicyDocument"]
        if document != wanted.get(name):
            yield f"{policy.where}: {name} says something else than contracts/topics.py"
        if len(json.dumps(document, separators=(",", ":"))) > iot_policies.MAX_CHARACTERS:
            yield f"{policy.where}: {name} is longer than AWS IoT takes"
        if name.startswith("kestrel-drone-"):
            yield from (f"{policy.where}: {said}" for said in _of_drone(document))


def _of_drone(document: iot_policies.Document) -> Iterator[str]:
    for statement in document["Statement"]:
        text = json.dumps(statement["Resource"])
        if statement["Action"] == "iot:Connect":
            if "iot:Connection.Thing.IsAttached" not in json.dumps(statement.get("Condition", {})):
                yield "a drone may connect without its thing attached"
            if iot_policies.THING not in text:
                yield "a drone may connect under another's name"
        if "drones/" in text and f"drones/{iot_policies.THING}/" not in text:
            yield "a drone may reach another's topics"
        if '"*"' in text or ":topic/*" in text or ":topicfilter/*" in text:
            yield "a drone may reach every topic"


def drone_folder(templates: Templates, place: Place) -> Iterator[str]:
    """What a drone's certificate lends writes the drone's own folder and nothing else."""
    own = f"{place.objects()}/flights/${{credentials-iot:ThingName}}/*"
    for policy in templates.all("AWS::IAM::Policy"):
        if not policy.id.startswith("DroneRole"):
            continue
        for statement in policy.properties["PolicyDocument"]["Statement"]:
            if "s3:" in json.dumps(statement["Action"]) and statement["Resource"] != own:
                yield f"{policy.where}: reaches {statement['Resource']}, not the drone's own folder alone"


def topic_rules(templates: Templates, _place: Place) -> Iterator[str]:
    """A message for which a rule's action fails is kept."""
    for rule in templates.all("AWS::IoT::TopicRule"):
        if "ErrorAction" not in rule.properties["TopicRulePayload"]:
            yield f"{rule.where}: loses the message when its action fails"


def event_rules(templates: Templates, _place: Place) -> Iterator[str]:
    """An event that its target does not take is kept."""
    for rule in templates.all("AWS::Events::Rule"):
        for target in rule.properties.get("Targets", []):
            if "DeadLetterConfig" not in target:
                yield f"{rule.where}: loses the event when its target does not take it"


def stacks(templates: Templates, _place: Place) -> Iterator[str]:
    """No stack nears CloudFormation's limit of 500 resources."""
    for name, template in templates.stacks.items():
        if len(template.get("Resources", {})) > _STACK_LIMIT:
            yield f"{name}: has more than {_STACK_LIMIT} resources"


RULES = {
    "containers": containers,
    "services": services,
    "machines": machines,
    "functions": functions,
    "images": images,
    "state-machines": state_machines,
    "trainings": trainings,
    "drone-policies": drone_policies,
    "drone-folder": drone_folder,
    "topic-rules": topic_rules,
    "event-rules": event_rules,
    "stacks": stacks,
}
