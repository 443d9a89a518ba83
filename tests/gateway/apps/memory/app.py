"""A chat that keeps its connections in memory; frames and queries tell its handlers what to do."""

import json
import os
import threading

from chalice import Chalice, Response, WebsocketDisconnectedError

app = Chalice(app_name="memory")
app.experimental_feature_flags.update(["WEBSOCKETS"])

questions = []  # to the authorizer
connects = []
messages = []
disconnects = []
members = {}
jobs = []
release = threading.Event()  # lets handlers return that hang
meeting = threading.Barrier(2)
VERSION = "one"


@app.route("/")
def index():
    return {"members": len(members), "version": VERSION}


@app.route("/length", methods=["POST"], content_types=["text/plain"])
def length():
    return {"length": len(app.current_request.raw_body)}


@app.route("/hang")
def hang():
    jobs.append("hang")
    release.wait(60)
    return {}


@app.route("/meet")
def meet():
    meeting.wait(10)
    return {}


@app.route("/cors", methods=["GET"], cors=True)
def cors():
    return {}


@app.lambda_function(name="job")
def job(event, context):
    jobs.append(event)
    if event == "fail":
        raise ValueError("no such job")
    if event == "hang":
        release.wait(60)
    return {"event": event, "name": context.function_name}


@app.lambda_function(name="authorize")
def authorize(event, context):
    questions.append(event)
    ticket = event["queryStringParameters"].get("ticket")
    if ticket == "stale":
        raise Exception("Unauthorized")
    if ticket == "fail":
        raise ValueError("no such ticket")
    if ticket == "hang":
        release.wait(60)
    if ticket == "odd":
        return {"principalId": "alice"}
    statement = {
        "Effect": "Deny" if ticket == "banned" else "Allow",
        "Action": "execute-api:Invoke",
        "Resource": event["methodArn"],
    }
    return {
        "principalId": "alice",
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": {"guest": False, "level": 7, "ticket": ticket},
    }


@app.on_ws_connect()
def connect(event):
    connects.append(event.to_dict())
    query = event.to_dict().get("queryStringParameters") or {}
    if "status" in query:
        return Response(None, status_code=int(query["status"]))
    if "fail" in query:
        raise RuntimeError("cannot connect")
    if "hang" in query:
        release.wait(60)
    members[event.connection_id] = True
    if "protocol" in query:
        return Response(None, headers={"Sec-WebSocket-Protocol": query["protocol"]})
    return None


@app.on_ws_message()
def message(event):
    messages.append(event.body)
    command, _, rest = event.body.partition(" ")
    if command == "/quiet":
        return
    if command == "/fail":
        raise RuntimeError("cannot handle")
    if command == "/hang":
        release.wait(60)
        return
    if command == "/meet":
        meeting.wait(10)
    reply = {
        "/id": lambda: event.connection_id,
        "/length": lambda: str(len(event.body)),
        "/big": lambda: "x" * int(rest),
        "/meet": lambda: "met",
        "/env": lambda: os.environ.get(rest, "none"),
        "/who": lambda: json.dumps(event.to_dict()["requestContext"].get("authorizer")),
    }.get(command)
    if reply is not None:
        app.websocket_api.send(event.connection_id, reply())
        return
    for member in list(members):
        try:
            app.websocket_api.send(member, event.body)
        except WebsocketDisconnectedError:
            members.pop(member, None)


@app.on_ws_disconnect()
def disconnect(event):
    members.pop(event.connection_id, None)
    disconnects.append(event.to_dict())
    if os.environ.get("FAREWELL"):
        with open(os.environ["FAREWELL"], "a", encoding="utf-8") as log:
            log.write(f"{event.to_dict()['requestContext']['disconnectStatusCode']}\n")
