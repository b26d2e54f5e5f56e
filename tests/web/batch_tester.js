'use strict';

/**
 * Tries the batch example of a muster server from a page of any origin that the server admits.
 * `mount` adds buttons for what the other methods do.
 */
class BatchProbe {
  constructor(server) {
    this.route = new URL('/examples/batch', server).href;
  }

  /** One answer and how long it took; throws where there is none or where it reports no success. */
  async call() {
    const from = performance.now();
    const reply = await fetch(this.route, {
      method: 'POST',
      headers: {'Content-Type': 'application/json'},
      body: '{}',
    });
    const answer = await reply.json();
    const elapsedMs = performance.now() - from;
    if (!reply.ok) throw new Error(`${reply.status}: ${answer.detail}`);
    if (!answer.response.success) throw new Error('the server reports no success');
    return {answer, elapsedMs};
  }

  /** `rounds` calls one after the other: those that worked, and the reasons of the others. */
  async collect(rounds) {
    const calls = [];
    const failures = [];
    while (calls.length + failures.length < rounds) {
      try {
        calls.push(await this.call());
      } catch (failure) {
        failures.push(failure.message);
      }
    }
    return {calls, failures};
  }

  async isReachable() {
    return (await this.collect(1)).calls.length === 1;
  }

  async benchmark(rounds = 10) {
    const {calls, failures} = await this.collect(rounds);
    const responses = calls.map(call => call.answer.response);
    return {
      rounds,
      failures,
      successRate: 100 * calls.length / rounds,
      elapsedMs: BatchProbe.summary(calls.map(call => call.elapsedMs)),
      inferenceMs: BatchProbe.summary(responses.map(response => response.inference_time_ms)),
      batchSizes: responses.map(response => response.batch_info.batch_size),
      predictions: responses.reduce((n, r) => n + r.batch_info.successful_predictions, 0),
    };
  }

  async consistency(rounds = 10) {
    const {calls, failures} = await this.collect(rounds);
    const all = calls.map(call => call.answer.response.predictions);
    const distinct = new Set(all.map(predictions => JSON.stringify(predictions)));
    return {
      rounds,
      failures,
      lengths: all.map(predictions => predictions.length),
      deterministic: distinct.size === 1,
      predictions: all[0],
    };
  }

  static summary(numbers) {
    if (numbers.length === 0) return null;
    const sum = numbers.reduce((a, b) => a + b, 0);
    return {least: Math.min(...numbers), mean: sum / numbers.length, most: Math.max(...numbers)};
  }

  mount(element) {
    const output = document.createElement('pre');
    const button = (name, work) => {
      const b = document.createElement('button');
      b.textContent = name;
      b.id = name;
      b.addEventListener('click', async () => {
        output.removeAttribute('data-of');
        output.textContent = '…';
        output.textContent = JSON.stringify(await work(), null, 1);
        output.dataset.of = name;
      });
      return b;
    };
    element.replaceChildren(
      button('reachable', () => this.isReachable()),
      button('benchmark', () => this.benchmark()),
      button('consistency', () => this.consistency()),
      output,
    );
  }
}
