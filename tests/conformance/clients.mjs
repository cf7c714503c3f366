// The official TypeScript clients: node clients.mjs URL KEY. One line of JSON for each: who, which revision, how many tools, the organization.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as OlderClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as OlderTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [url, key] = process.argv.slice(2);
const options = { requestInit: { headers: { Authorization: `Bearer ${key}` } } };
const me = { name: "conformance", version: "1" };

async function look(who, client, transport, revision) {
  await client.connect(transport);
  const { tools } = await client.listTools();
  const answer = await client.callTool({ name: "get_org", arguments: {} });
  const denied = await client.callTool({ name: "create_lead", arguments: {} });
  console.log(JSON.stringify({
    who,
    revision: revision(),
    tools: tools.length,
    organization: answer.structuredContent?.name,
    refused: denied.isError === true,
  }));
  await client.close();
}

const older = new OlderClient(me);
const transport = new OlderTransport(new URL(url), options);
await look("TypeScript sdk 1.x", older, transport, () => transport.protocolVersion);
for (const mode of ["legacy", "auto", { pin: "2026-07-28" }]) {
  const client = new Client(me, { versionNegotiation: { mode } });
  const name = typeof mode === "string" ? mode : "modern";
  const way = new StreamableHTTPClientTransport(new URL(url), options);
  await look(`TypeScript client 2.x, ${name}`, client, way, () => client.getNegotiatedProtocolVersion());
}
