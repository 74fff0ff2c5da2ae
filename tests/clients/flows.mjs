// Runs every flow of the provider with openid-client. Asks for each step that needs a user on
// stdout, a line of JSON each, and reads the answer on stdin.

import { createInterface } from "node:readline";
import * as client from "openid-client";

const [issuer, clientId, clientSecret, callback, goodbye] = process.argv.slice(2);
const insecure = { execute: [client.allowInsecureRequests] };
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

function tell(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

async function user(step) {
  tell(step);
  return new URL((await lines.next()).value);
}

async function refusal(promise) {
  try {
    await promise;
    return "none";
  } catch (error) {
    return error.error ?? error.code ?? error.message;
  }
}

async function authorize(config) {
  const verifier = client.randomPKCECodeVerifier();
  const checks = {
    pkceCodeVerifier: verifier,
    expectedState: client.randomState(),
    expectedNonce: client.randomNonce(),
    idTokenExpected: true,
  };
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: callback,
    scope: "openid profile email chats.read",
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    state: checks.expectedState,
    nonce: checks.expectedNonce,
  });
  return [url, checks];
}

async function flows(authentication, metadata) {
  const server = new URL(issuer);
  const config = await client.discovery(server, clientId, metadata, authentication, insecure);

  const [url, checks] = await authorize(config);
  const back = await user({ visit: url.href });
  const mixedUp = new URL(back);
  mixedUp.searchParams.set("iss", "https://other.example");
  const mixUp = await refusal(client.authorizationCodeGrant(config, mixedUp, checks));
  const tokens = await client.authorizationCodeGrant(config, back, checks);
  const { sub, sid } = tokens.claims();
  const info = await client.fetchUserInfo(config, tokens.access_token, sub);
  const fresh = await client.refreshTokenGrant(config, tokens.refresh_token);
  const told = clientSecret
    ? await client.tokenIntrospection(config, fresh.access_token)
    : { active: await refusal(client.tokenIntrospection(config, fresh.access_token)) };
  const own = clientSecret
    ? await client.clientCredentialsGrant(config, { scope: "tokens.introspect" })
    : { scope: await refusal(client.clientCredentialsGrant(config)) };
  const end = client.buildEndSessionUrl(config, {
    id_token_hint: tokens.id_token,
    post_logout_redirect_uri: goodbye,
    state: "bye",
  });
  const left = await user({ visit: end.href });
  const gone = await refusal(client.refreshTokenGrant(config, fresh.refresh_token));

  const [again, moreChecks] = await authorize(config);
  const second = await client.authorizationCodeGrant(
    config,
    await user({ visit: again.href }),
    moreChecks,
  );
  await client.tokenRevocation(config, second.refresh_token);
  const revoked = await refusal(client.fetchUserInfo(config, second.access_token, sub));

  tell({
    done: {
      sub, sid: typeof sid, info, mixUp, scope: tokens.scope, active: told.active,
      own: own.scope, left: left.href, gone, revoked,
    },
  });
}

if (clientSecret) {
  await flows(client.ClientSecretBasic(clientSecret));
} else {
  await flows(client.None());
}
process.exit(0);
