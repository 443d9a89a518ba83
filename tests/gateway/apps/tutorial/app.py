"""A chat in the style of Chalice's WebSocket tutorial, as somebody else would have written it."""

import os

import boto3
from boto3.session import Session
from chalice import Chalice, WebsocketDisconnectedError

app = Chalice(app_name="tutorial")
app.websocket_api.session = Session()
app.experimental_feature_flags.update(["WEBSOCKETS"])


def table():
    return boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


@app.route("/")
def index():
    return {"connections": len(table().scan()["Items"])}


@app.on_ws_connect()
def connect(event):
    table().put_item(Item={"connection_id": event.connection_id})


@app.on_ws_disconnect()
def disconnect(event):
    table().delete_item(Key={"connection_id": event.connection_id})


@app.on_ws_message()
def message(event):
    if event.body == "/crash":
        raise RuntimeError("crashed")
    if event.body == "/greeting":
        app.websocket_api.send(event.connection_id, os.environ["GREETING"])
        return
    if event.body == "/boto3":
        own = boto3.client(
            "apigatewaymanagementapi", endpoint_url=f"https://{event.domain_name}/{event.stage}"
        )
        own.post_to_connection(ConnectionId=event.connection_id, Data=b"through boto3")
        return
    if event.body == "/info":
        app.websocket_api.send(
            event.connection_id, repr(sorted(app.websocket_api.info(event.connection_id)))
        )
        return
    if event.body == "/close":
        app.websocket_api.close(event.connection_id)
        return
    for item in table().scan()["Items"]:
        try:
            app.websocket_api.send(item["connection_id"], event.body)
        except WebsocketDisconnectedError as error:
            table().delete_item(Key={"connection_id": error.connection_id})
