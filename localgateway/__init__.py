"""A local API Gateway for the WebSocket, REST and event handlers of any Chalice app.

`python -m localgateway` serves an app; `localgateway.testing.TestClient` tests one in process.
For development only: it checks neither signatures nor permissions.
"""
