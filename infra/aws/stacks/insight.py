"""For analysts: the published views as Athena tables, a workgroup with a limit, and QuickSight where it pays."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import aws_cdk as cdk
from aws_cdk import aws_athena as athena
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_glue as glue
from aws_cdk import aws_iam as iam
from aws_cdk import aws_quicksight as quicksight
from constructs import Construct

from contracts import lake
from infra.aws.ground import PlacedStack, boundary, dead_letters, service_role
from infra.aws.place import Place
from infra.aws.stacks.programs import CloudProgram, Floor, Shape

_TEXT, _NUMBER, _COUNT, _TIME = "string", "double", "bigint", "timestamp"
TABLES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "defects": {
            "defect_id": _TEXT,
            "asset_id": _TEXT,
            "site_id": _TEXT,
            "kind": _TEXT,
            "severity_rank": _COUNT,
            "status": _TEXT,
            "length_mm": _NUMBER,
            "first_seen_at": _TIME,
            "last_seen_at": _TIME,
            "sightings": _COUNT,
        },
        "tickets": {
            "ticket_id": _TEXT,
            "finding_id": _TEXT,
            "defect_id": _TEXT,
            "asset_id": _TEXT,
            "number": _TEXT,
            "phase": _TEXT,
            "created_at": _TIME,
            "opened_at": _TIME,
        },
    }
)
"""What the dashboard reads; Parquet is read by column name, so a table may name fewer than there are."""
_AUTHOR = ("RestoreAnalysis", "UpdateAnalysisPermissions", "DeleteAnalysis", "DescribeAnalysisPermissions",
           "QueryAnalysis", "DescribeAnalysis", "UpdateAnalysis")  # fmt: skip
_SCAN_LIMIT_BYTES = 50 * 1024**3


class InsightStack(PlacedStack):
    """Reads what ``kestrel-cloud publish`` wrote; touches neither database nor video."""

    def __init__(self, scope: Construct, place: Place, floor: Floor) -> None:
        super().__init__(scope, "insight", place, description="published views, Athena, QuickSight")
        self._floor = floor
        self._publish_daily()
        database = glue.CfnDatabase(
            self,
            "Database",
            catalog_id=self.account,
            database_input={"name": lake.SCHEMA, "description": "Kestrel's views"},
        )
        for name, columns in TABLES.items():
            self._table(name, columns).node.add_dependency(database)
        self._workgroup()
        if place.analysts_apart:
            self._let_analysts_in()
        if place.size.quicksight:
            self._dashboard()

    def _publish_daily(self) -> None:
        floor = self._floor
        program = CloudProgram(self, "publish", floor, Shape(("kestrel-cloud", "publish")))
        unheard = dead_letters(self, "Unpublished", "kestrel-publish-dlq", floor.security.queues_key)
        starter = service_role(self, "StarterRole", "events.amazonaws.com", self.place)
        task = targets.EcsTask(
            role=starter,
            cluster=floor.network.cluster,
            task_definition=program.task,
            subnet_selection=ec2.SubnetSelection(subnet_group_name="services"),
            security_groups=[floor.network.services],
            platform_version=ecs.FargatePlatformVersion.LATEST,
            dead_letter_queue=unheard,
            retry_attempts=3,
        )
        events.Rule(self, "Daily", schedule=events.Schedule.cron(hour="2", minute="30"), targets=[task])
        # What the CDK gives the starter lets it pass the roles to any service.
        roles = [program.task.task_role.role_arn, program.task.execution_role.role_arn]
        passing = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
        own = {"ArnEquals": {"ecs:cluster": floor.network.cluster.cluster_arn}}
        tasks = self.place.arn("ecs", "task-definition/kestrel-publish:*")
        policy = starter.node.find_child("DefaultPolicy").node.default_child
        policy.add_property_override(
            "PolicyDocument.Statement",
            [
                {"Effect": "Allow", "Action": "iam:PassRole", "Resource": roles, "Condition": passing},
                {"Effect": "Allow", "Action": "ecs:RunTask", "Resource": tasks, "Condition": own},
            ],
        )

    def _table(self, name: str, columns: Mapping[str, str]) -> glue.CfnTable:
        location = lake.location(self.place.bucket, name)
        return glue.CfnTable(
            self,
            name.title(),
            catalog_id=self.account,
            database_name=lake.SCHEMA,
            table_input={
                "name": name,
                "tableType": "EXTERNAL_TABLE",
                "partitionKeys": [{"name": "day", "type": _TEXT}],
                "parameters": lake.by_day(location),
                "storageDescriptor": {
                    "columns": [{"name": column, "type": kind} for column, kind in columns.items()],
                    "location": location,
                    "inputFormat": lake.INPUT_FORMAT,
                    "outputFormat": lake.OUTPUT_FORMAT,
                    "serdeInfo": {"serializationLibrary": lake.SERDE},
                },
            },
        )

    def _workgroup(self) -> None:
        key = self._floor.security.media_key.key_arn
        athena.CfnWorkGroup(
            self,
            "Analysts",
            name="kestrel",
            work_group_configuration={
                "enforceWorkGroupConfiguration": True,
                "publishCloudWatchMetricsEnabled": True,
                "bytesScannedCutoffPerQuery": _SCAN_LIMIT_BYTES,
                "resultConfiguration": {
                    "outputLocation": f"s3://{self.place.lake}/athena/",
                    "encryptionConfiguration": {"encryptionOption": "SSE_KMS", "kmsKey": key},
                },
            },
        )

    def _let_analysts_in(self) -> None:
        """Let people of the analysts' account, with their second factor, ask the published views and nothing else."""
        place = self.place
        role = iam.Role(
            self,
            "AnalystRole",
            role_name="kestrel-analyst",
            description="People of the analysts' account ask the published views",
            max_session_duration=cdk.Duration.hours(4),
            assumed_by=iam.AccountPrincipal(place.analyst_account).with_conditions(
                {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
            ),
            permissions_boundary=boundary(self, place),
        )
        views = [place.arn("glue", "catalog"), place.arn("glue", f"database/{lake.SCHEMA}")]
        views += [place.arn("glue", f"table/{lake.SCHEMA}/{name}") for name in TABLES]
        asks = ("StartQueryExecution", "StopQueryExecution", "GetQueryExecution", "GetQueryResults", "GetWorkGroup")
        results = f"arn:aws:s3:::{place.lake}"
        for actions, on in (
            ([f"athena:{ask}" for ask in asks], [place.arn("athena", "workgroup/kestrel")]),
            (["glue:GetDatabase", "glue:GetTable", "glue:GetTables", "glue:GetPartitions"], views),
            (["s3:GetObject"], [place.objects("datasets/"), f"{results}/athena/*"]),
            (["s3:PutObject"], [f"{results}/athena/*"]),
            (["s3:ListBucket", "s3:GetBucketLocation"], [place.objects(), results]),
            (["kms:Decrypt", "kms:GenerateDataKey"], [self._floor.security.media_key.key_arn]),
        ):
            role.add_to_policy(iam.PolicyStatement(actions=actions, resources=on))

    def _dashboard(self) -> None:
        place = self.place
        owner = place.quicksight_user
        source = quicksight.CfnDataSource(
            self,
            "Source",
            aws_account_id=self.account,
            data_source_id="kestrel",
            name="Kestrel",
            type="ATHENA",
            data_source_parameters={"athenaParameters": {"workGroup": "kestrel"}},
            permissions=[_granted(owner, "DescribeDataSource", "DescribeDataSourcePermissions", "PassDataSource")],
        )
        defects = quicksight.CfnDataSet(
            self,
            "DefectsSet",
            aws_account_id=self.account,
            data_set_id="kestrel-defects",
            name="Defects",
            import_mode="DIRECT_QUERY",
            physical_table_map={"defects": {"relationalTable": _relational("defects", source.attr_arn)}},
            permissions=[
                _granted(
                    owner, "DescribeDataSet", "DescribeDataSetPermissions", "PassDataSet", "DescribeIngestion",
                    "ListIngestions",
                )
            ],
        )  # fmt: skip
        shown = {
            "dataSetIdentifierDeclarations": [{"identifier": "defects", "dataSetArn": defects.attr_arn}],
            "sheets": [_sheet()],
        }
        # What an author changes and asks further; the dashboard is what readers see of it.
        quicksight.CfnAnalysis(
            self,
            "DefectsAnalysis",
            aws_account_id=self.account,
            analysis_id="kestrel-defects",
            name="Defects",
            permissions=[_granted(owner, *_AUTHOR)],
            definition=shown,
        )
        quicksight.CfnDashboard(
            self,
            "DefectsBoard",
            aws_account_id=self.account,
            dashboard_id="kestrel-defects",
            name="Defects",
            permissions=[_granted(owner, "DescribeDashboard", "ListDashboardVersions", "QueryDashboard")],
            definition=shown,
        )


def _granted(whom: str, *actions: str) -> dict[str, object]:
    """Return a permission. QuickSight takes only the sets of actions that its own console gives."""
    return {"principal": whom, "actions": [f"quicksight:{action}" for action in actions]}


def _relational(name: str, source: str) -> dict[str, object]:
    kinds = {_TEXT: "STRING", _NUMBER: "DECIMAL", _COUNT: "INTEGER", _TIME: "DATETIME"}
    return {
        "dataSourceArn": source,
        "catalog": "AwsDataCatalog",
        "schema": lake.SCHEMA,
        "name": name,
        "inputColumns": [{"name": column, "type": kinds[kind]} for column, kind in TABLES[name].items()],
    }


def _sheet() -> dict[str, object]:
    """Return the one sheet: how many defects of each rank, by site."""

    def column(name: str) -> dict[str, str]:
        return {"dataSetIdentifier": "defects", "columnName": name}

    bars = {
        "visualId": "by-rank",
        "title": {"visibility": "VISIBLE", "formatText": {"plainText": "Defects by rank and site"}},
        "chartConfiguration": {
            "fieldWells": {
                "barChartAggregatedFieldWells": {
                    "category": [{"numericalDimensionField": {"fieldId": "rank", "column": column("severity_rank")}}],
                    "colors": [{"categoricalDimensionField": {"fieldId": "site", "column": column("site_id")}}],
                    "values": [
                        {
                            "categoricalMeasureField": {
                                "fieldId": "count",
                                "column": column("defect_id"),
                                "aggregationFunction": "DISTINCT_COUNT",
                            }
                        }
                    ],
                }
            }
        },
    }
    return {"sheetId": "defects", "name": "Defects", "visuals": [{"barChartVisual": bars}]}
