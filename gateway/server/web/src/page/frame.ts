// Gathers what happens within one frame. A timer, not an animation frame: those stop in hidden tabs,
// and what waits would pile up.

const FRAME_MS = 16;

export class Frame {
  readonly #render: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(render: () => void) {
    this.#render = render;
  }

  /** Renders once, soon. */
  ask(): void {
    this.#timer ??= setTimeout(() => this.#now(), FRAME_MS);
  }

  #now(): void {
    this.#timer = undefined;
    this.#render();
  }
}
