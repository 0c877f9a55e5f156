// A real OpenID Connect issuer for tests: oidc-provider with the password grant as Keycloak has it.
// It listens on a free port of the loopback interface, prints its address, which is its name, and
// ends with its standard input.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { Provider, errors } from 'oidc-provider';

const PEOPLE = {
  ada: { password: 'analytical', roles: ['ct-operator', 'offline_access'], groups: ['/loans'] },
  bob: { password: 'builder', roles: ['ct-reader'], groups: ['/bikes'] },
  eve: { password: 'listens', roles: ['default-roles'], groups: [] },
};
const LIFE_S = Number(process.env.ACCESS_TOKEN_LIFE_S ?? 300);

const server = createServer();
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const issuer = `http://127.0.0.1:${server.address().port}`;

const jwk = (kind, options, kid, alg) => ({
  ...generateKeyPairSync(kind, options).privateKey.export({ format: 'jwk' }), kid, alg, use: 'sig',
});
const jwks = {
  keys: [
    jwk('rsa', { modulusLength: 2048 }, 'rsa', 'RS256'),
    jwk('rsa', { modulusLength: 2048 }, 'pss', 'PS256'),
    jwk('ec', { namedCurve: 'P-256' }, 'ec', 'ES256'),
    jwk('ed25519', {}, 'ed', 'EdDSA'),
  ],
};

const resource = (audience, alg) => ({
  scope: 'openid offline_access',
  audience,
  accessTokenTTL: LIFE_S,
  accessTokenFormat: 'jwt',
  jwt: { sign: { alg } },
});

const provider = new Provider(issuer, {
  jwks,
  clients: [{
    client_id: 'mxe-rest-client',
    token_endpoint_auth_method: 'none',
    grant_types: ['password', 'refresh_token', 'authorization_code'],
    redirect_uris: ['https://example.test/back'],
  }],
  scopes: ['openid', 'offline_access'],
  features: {
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => 'urn:ct:serve',
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx, indicator) => resource(indicator, 'RS256'),
    },
  },
  findAccount: (ctx, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
  extraTokenClaims: (ctx, token) => ({
    preferred_username: token.accountId,
    groups: PEOPLE[token.accountId]?.groups,
    realm_access: { roles: PEOPLE[token.accountId]?.roles ?? [] },
  }),
  ttl: { AccessToken: LIFE_S, RefreshToken: 3600, Grant: 3600 },
});

provider.registerGrantType('password', async (ctx) => {
  const { client, params } = ctx.oidc;
  const person = PEOPLE[params.username];
  if (!person || person.password !== params.password) {
    throw new errors.InvalidGrant('invalid user credentials');
  }
  const audience = params.resource ?? 'urn:ct:serve';
  const grant = new provider.Grant({ accountId: params.username, clientId: client.clientId });
  grant.addOIDCScope('openid offline_access');
  grant.addResourceScope(audience, 'openid offline_access');
  const grantId = await grant.save();
  const common = { accountId: params.username, client, grantId, gty: 'password' };
  const info = resource(audience, params.algorithm ?? 'RS256');
  const access = new provider.AccessToken({ ...common, scope: 'openid offline_access' });
  access.resourceServer = new provider.ResourceServer(audience, info);
  const refresh = new provider.RefreshToken({
    ...common,
    scope: 'openid offline_access',
    resource: audience,
    rotations: 0,
    authTime: Math.floor(Date.now() / 1000),
  });
  ctx.oidc.entity('AccessToken', access);
  ctx.body = {
    access_token: await access.save(),
    expires_in: access.expiration,
    token_type: 'Bearer',
    refresh_token: await refresh.save(),
    scope: access.scope,
  };
}, ['username', 'password', 'scope', 'resource', 'algorithm']);

process.stdin.resume().on('end', () => process.exit(0));
server.on('request', provider.callback());
console.log(issuer);
