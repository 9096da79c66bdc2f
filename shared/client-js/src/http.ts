// The gateway's REST side: a request has one answer, or one typed refusal.

import { utf8 } from './core/bytes.js';

export type Fetch = (input: string, init?: RequestInit) => Promise<Response>;

/** The gateway refused, with a code of its one table; `unreachable` if nobody answered. */
export class GatewayProblem extends Error {
  override readonly name = 'GatewayProblem';

  constructor(readonly code: string, readonly status: number, readonly detail: string, readonly afterMs?: number | undefined) {
    super(detail === '' ? code : `${code}: ${detail}`);
  }
}

export interface HttpRequest {
  readonly query?: readonly (readonly [name: string, value: string | undefined])[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | undefined;
  readonly contentType?: string;
  readonly signal?: AbortSignal | undefined;
}

/** `https://gateway.example/x` of `wss://gateway.example/x/ws`. */
export function httpBase(url: string): string {
  const base = new URL(url, (globalThis as { location?: { href: string } }).location?.href);
  base.protocol = base.protocol === 'wss:' || base.protocol === 'https:' ? 'https:' : 'http:';
  base.search = base.hash = '';
  base.pathname = base.pathname.replace(/\/ws\/?$/, '').replace(/\/$/, '');
  return base.href.replace(/\/$/, '');
}

export class Http {
  readonly #base: string;
  readonly #fetch: Fetch;
  readonly #token: (isRefused: boolean) => Promise<string | undefined>;

  /** `token` gives the credentials; `isRefused` asks for others than the last. */
  constructor(base: string, fetch: Fetch, token: (isRefused: boolean) => Promise<string | undefined>) {
    this.#base = base;
    this.#fetch = fetch;
    this.#token = token;
  }

  /** The path of a document's resource: its id is one segment. */
  static document(id: string, ...rest: string[]): string {
    return ['/v1/documents', id, ...rest].map((part, index) => (index === 0 ? part : encodeURIComponent(part))).join('/');
  }

  async request(method: string, path: string, request: HttpRequest = {}): Promise<Response> {
    const first = await this.#once(method, path, request, false);
    const response = first.status === 401 ? await this.#once(method, path, request, true) : first;
    if (!response.ok) throw await problemOf(response);
    return response;
  }

  async json(method: string, path: string, request: HttpRequest = {}): Promise<unknown> {
    const response = await this.request(method, path, { ...request, headers: { accept: 'application/json', ...request.headers } });
    const text = await response.text();
    return text === '' ? undefined : JSON.parse(text);
  }

  async #once(method: string, path: string, request: HttpRequest, isRefused: boolean): Promise<Response> {
    const query = new URLSearchParams();
    for (const [name, value] of request.query ?? []) if (value !== undefined) query.append(name, value);
    const search = query.toString();
    const token = await this.#token(isRefused);
    const headers: Record<string, string> = { ...request.headers };
    if (token !== undefined) headers['authorization'] = `Bearer ${token}`;
    if (request.body !== undefined) headers['content-type'] = request.contentType ?? 'application/json';
    const init: RequestInit = { method, headers, cache: 'no-store' };
    if (request.body !== undefined) init.body = (typeof request.body === 'string' ? utf8(request.body) : request.body) as NonNullable<RequestInit['body']>;
    if (request.signal) init.signal = request.signal;
    try {
      return await this.#fetch(`${this.#base}${path}${search === '' ? '' : `?${search}`}`, init);
    } catch (error) {
      throw new GatewayProblem('unreachable', 0, error instanceof Error ? error.message : String(error));
    }
  }
}

async function problemOf(response: Response): Promise<GatewayProblem> {
  let fields: { code?: unknown; detail?: unknown; title?: unknown; after_ms?: unknown } = {};
  try {
    const body: unknown = JSON.parse(await response.text());
    if (typeof body === 'object' && body !== null) fields = body;
  } catch {
    // A proxy's page: its status says what is to be said.
  }
  const code = typeof fields.code === 'string' ? fields.code : `http_${response.status}`;
  const detail = typeof fields.detail === 'string' ? fields.detail : typeof fields.title === 'string' ? fields.title : '';
  const retryAfter = Number(response.headers.get('retry-after') ?? NaN);
  const afterMs = typeof fields.after_ms === 'number' ? fields.after_ms : Number.isFinite(retryAfter) ? retryAfter * 1000 : undefined;
  return new GatewayProblem(code, response.status, detail, afterMs);
}
