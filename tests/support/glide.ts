/** Clients of Valkey GLIDE that end with their block. */
import { GlideClient, type GlideClientConfiguration, Logger } from '@valkey/valkey-glide';

// It prints what its requests report as well.
Logger.setLoggerConfig('off');

export type OpenGlideClient = GlideClient & AsyncDisposable;

/** @param url `redis://host:port`. */
export async function openGlide(
  url: string,
  configuration: Partial<GlideClientConfiguration> = {},
): Promise<OpenGlideClient> {
  const { hostname: host, port } = new URL(url);
  const addresses = [{ host, port: Number(port) }];
  const client = await GlideClient.createClient({ addresses, ...configuration });
  return Object.assign(client, { [Symbol.asyncDispose]: async () => client.close() });
}
