// Neighbor Discovery options (RFC 4861 §4.6): only the two link-layer addresses are read; all others are skipped.

import type { DroppedFrame, Mac } from '../../machines/frames.ts';
import { formatMac, writeMac } from './address.ts';
import { readU8 } from './big-endian.ts';
import { DROPPED } from './dropped.ts';

export const SOURCE_LINK_LAYER_ADDRESS = 1;
export const TARGET_LINK_LAYER_ADDRESS = 2;
/** Octets of either option on Ethernet: "the length for IEEE 802 addresses is 1", in units of 8 octets (§4.6.1). */
export const LINK_LAYER_OPTION = 8;

/**
 * Offset of the first option of `type` in the options [from, end), 0 if there is none. The whole list is checked
 * whatever it holds. Of several, the first counts, as on Linux.
 */
export const findLinkLayerOption = (
  bytes: Uint8Array,
  from: number,
  end: number,
  type: number,
): number | DroppedFrame => {
  let found = 0;
  for (let at = from; at < end; ) {
    // Fewer than 8 octets are left: no option fits.
    if (end - at < 8) return DROPPED['option-length'];
    const length = 8 * readU8(bytes, at + 1);
    // §4.6: "Nodes MUST silently discard an ND packet that contains an option with length zero."
    if (length === 0 || at + length > end) return DROPPED['option-length'];
    if (readU8(bytes, at) === type) {
      // A link-layer address of another size is not an Ethernet one.
      if (length !== LINK_LAYER_OPTION) return DROPPED['option-length'];
      if (found === 0) found = at;
    }
    at += length;
  }
  return found;
};

/** The address in the option at `at`, null for offset 0 (none). */
export const readLinkLayerOption = (bytes: Uint8Array, at: number): Mac | null =>
  at === 0 ? null : formatMac(bytes, at + 2);

/** Writes the 8 octets of a link-layer address option; nothing for null. */
export const writeLinkLayerOption = (bytes: Uint8Array, at: number, type: number, mac: Mac | null): void => {
  if (mac === null) return;
  bytes[at] = type;
  bytes[at + 1] = LINK_LAYER_OPTION / 8;
  writeMac(mac, bytes, at + 2);
};
