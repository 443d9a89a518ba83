"""An app whose queue, stream, topic and schedule handlers tell all who are connected; no REST routes."""

import os
import time

import boto3
from chalice import Chalice, Rate

app = Chalice(app_name="sources")
app.experimental_feature_flags.update(["WEBSOCKETS"])

members = []


def broadcast(text):
    for member in members:
        app.websocket_api.send(member, text)


@app.on_ws_connect()
def connect(event):
    members.append(event.connection_id)


@app.on_ws_disconnect()
def disconnect(event):
    members.remove(event.connection_id)


@app.on_ws_message()
def message(event):
    if event.body == "/enqueue":
        sqs = boto3.client("sqs")
        url = sqs.get_queue_url(QueueName="sources-jobs")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="a job")
    if event.body == "/write":
        boto3.resource("dynamodb").Table("sources-things").put_item(
            Item={"pk": "thing", "now": str(time.time())}
        )
    if event.body == "/publish":
        sns = boto3.client("sns")
        topics = sns.list_topics()["Topics"]
        sns.publish(TopicArn=topics[0]["TopicArn"], Message="a notification")
    if event.body == "/environment":
        broadcast(" ".join(sorted(name for name in os.environ if name.startswith("AWS_"))))


@app.on_sqs_message(queue="sources-jobs")
def on_job(event):
    for record in event:
        broadcast(f"queue {record.body}")


@app.on_dynamodb_record(
    stream_arn="arn:aws:dynamodb:us-east-1:123456789012:table/sources-things/stream/any"
)
def on_change(event):
    # Not through app.websocket_api, as code that was written for another framework would.
    own = boto3.client("apigatewaymanagementapi")
    for record in event:
        for member in members:
            own.post_to_connection(
                ConnectionId=member, Data=f"stream {record.event_name} {record.keys['pk']['S']}"
            )


@app.schedule(Rate(1, unit=Rate.MINUTES))
def on_tick(event):
    broadcast(f"schedule {event.detail_type}")


@app.on_sns_message(topic="sources-news")
def on_news(event):
    broadcast(f"topic {event.message}")


@app.on_s3_event(bucket="uploads")
def on_upload(event):
    raise AssertionError("buckets are not emulated")
