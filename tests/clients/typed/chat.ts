// Registers, signs in, sends and lists, with types made from the OpenAPI document. Prints what it
// has seen as JSON. Arguments: the address of the API, a username, the username of somebody else.

import createClient from "openapi-fetch";
import type { components, paths } from "./api";

type Problem = components["schemas"]["Problem"];
type Message = components["schemas"]["Message"];

declare const process: { argv: string[] };
const [baseUrl = "", username = "", other = ""] = process.argv.slice(2);
const password = "Plums-and-42-pears";

function account(name: string): components["schemas"]["Registration"] {
  return { username: name, email: `${name}@example.org`, password, display_name: name };
}

function got<T>(answer: { data?: T; error?: unknown }): T {
  if (answer.data === undefined) throw new Error(JSON.stringify(answer.error));
  return answer.data;
}

const anonymous = createClient<paths>({ baseUrl });
const friend = got(await anonymous.POST("/v1/auth/register", { body: account(other) })).user;
got(await anonymous.POST("/v1/auth/register", { body: account(username) }));

const refused = await anonymous.POST("/v1/auth/login", { body: { login: username, password: "x" } });
const problem: Problem | undefined = refused.error;
const code: Problem["code"] | undefined = problem?.code;

const signedIn = got(await anonymous.POST("/v1/auth/login", { body: { login: username, password } }));
const api = createClient<paths>({
  baseUrl,
  headers: { Authorization: `${signedIn.token_type} ${signedIn.access_token}` },
});

const chat = got(await api.POST("/v1/chats", { body: { kind: "direct", user_id: friend.id } }));
const path = { chat_id: chat.id };
const sent: Message = got(
  await api.POST("/v1/chats/{chat_id}/messages", {
    params: { path },
    body: { client_id: "1", content: { kind: "text", text: "Hello from TypeScript" } },
  }),
);
const edited: string | null = sent.edited_at; // always there: not undefined
const page = got(
  await api.GET("/v1/chats/{chat_id}/messages", { params: { path, query: { limit: 10 } } }),
);
const chats = got(await api.GET("/v1/chats"));

console.log(
  JSON.stringify({
    code,
    edited,
    texts: page.items.map((message) => message.content?.text),
    chats: chats.items.map((one) => one.member_count),
  }),
);
