// The body of a drain request, from the control socket or over http.
import { parseIp } from '../../io/packets/address.ts';
import type { OperatorRequest } from '../../machines/preview.ts';

/** `{"ip", "to", "patient"}`, each of which may be missing; a problem is a sentence. */
export const readDrain = (body: string): OperatorRequest | string => {
  let request: { ip?: unknown; to?: unknown; patient?: unknown } | null;
  try {
    request = JSON.parse(body === '' ? '{}' : body) as typeof request;
  } catch {
    return 'the request is not JSON';
  }
  if (typeof request !== 'object' || request === null) return 'the request: an object would be right';
  const { ip = null, to = null, patient } = request;
  if (to !== null && typeof to !== 'string') return 'to: a node name would be right';
  if (patient !== undefined && typeof patient !== 'boolean') return 'patient: true or false would be right';
  const style = patient === undefined ? {} : { patient };
  if (ip === null) return { type: 'drain.requested', ips: null, to, ...style };
  const parsed = typeof ip === 'string' ? parseIp(ip) : null;
  return parsed === null
    ? 'ip: an IP address would be right'
    : { type: 'drain.requested', ips: [parsed], to, ...style };
};
