"use strict";
// Keeps its connection ids in memory and posts each frame to all of them at once, as bench/apps/memory does.
const { ApiGatewayManagementApiClient, PostToConnectionCommand } = require("@aws-sdk/client-apigatewaymanagementapi");

const ids = new Set();
const client = new ApiGatewayManagementApiClient({
  endpoint: "http://127.0.0.1:8141",
  region: "us-east-1",
  credentials: { accessKeyId: "local", secretAccessKey: "local" },
});

async function post(id, body) {
  try {
    await client.send(new PostToConnectionCommand({ ConnectionId: id, Data: body }));
  } catch (error) {
    if (error.name !== "GoneException") throw error;
    ids.delete(id);
  }
}

module.exports.main = async ({ requestContext, body }) => {
  const { routeKey, connectionId } = requestContext;
  if (routeKey === "$connect") ids.add(connectionId);
  else if (routeKey === "$disconnect") ids.delete(connectionId);
  else await Promise.all([...ids].map((id) => post(id, body)));
  return { statusCode: 200 };
};
