// Each of these is a mistake that the types must show.

import createClient from "openapi-fetch";
import type { paths } from "./api";

const api = createClient<paths>({ baseUrl: "" });

// @ts-expect-error: there is no such path
await api.GET("/v1/nothing");

// @ts-expect-error: a password is required
await api.POST("/v1/auth/login", { body: { login: "ana" } });

// @ts-expect-error: there is no such field
await api.POST("/v1/auth/logout", { body: { everywhere: true } });

const refused = await api.POST("/v1/auth/login", { body: { login: "ana", password: "x" } });
// @ts-expect-error: there is no such code
export const code: boolean = refused.error?.code === "no_such_code";
