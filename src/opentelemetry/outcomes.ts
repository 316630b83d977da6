/** How waits and holds end, in the spelling that OpenTelemetry has for values. */

export function outcomeOf(event: string): string {
  return event.replace('-', '_');
}
