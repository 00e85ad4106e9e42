// What a report of the lab has in it (`holdfast lab --record`), as shapes: made by the lab, read by report.ts.

/** A line of `lab --json`, as far as the report shows it. */
export interface ReportLine {
  readonly scenario: string;
  readonly family: 'ipv4' | 'ipv6';
  readonly sent: number;
  readonly lost: number;
  readonly gapMs: number;
  readonly newClientMs?: number;
  readonly recordedGapMs?: number;
  readonly recordedErrorMs?: number;
  readonly ok: boolean;
  readonly promise: string;
  readonly note?: string;
}

export interface ReportScenario {
  readonly name: string;
  readonly summary: string;
  readonly lines: readonly ReportLine[];
  /** What `holdfast timeline --json` prints of these journals. */
  readonly timeline: {
    readonly gaps: readonly ReportBetween[];
    readonly overlaps: readonly ReportBetween[];
  };
  /** What `holdfast explain --ip IP` says at the end of the record. */
  readonly explanations: readonly { readonly ip: string; readonly text: string }[];
  /** Journal segments as they are; none where they are too many to carry. */
  readonly journals: readonly { readonly file: string; readonly text: string }[];
}

export interface ReportBetween {
  readonly ip: string;
  readonly from: string;
  readonly ms: number | null;
  readonly errorMs: number | null;
  readonly before: string;
  readonly after: string | null;
}

export interface ReportData {
  readonly version: string;
  /** ISO 8601. */
  readonly recordedAt: string;
  readonly scenarios: readonly ReportScenario[];
}
