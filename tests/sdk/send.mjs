// Sends numbered events by Segment's SDK for Node, as it is, and says how far it has come.
// usage: node send.mjs SDK HOST KEY HOW_MANY
import { createRequire } from "node:module";
import { setTimeout as pause } from "node:timers/promises";

const [sdk, host, writeKey, many] = process.argv.slice(2);
const { Analytics } = createRequire(sdk + "/")("@segment/analytics-node");
const analytics = new Analytics({
  writeKey,
  host,
  flushAt: 5,
  flushInterval: 50,
  maxRetries: 100,
  httpRequestTimeout: 3000,
});
analytics.on("error", (error) => console.error("failed", error));
for (let n = 0; n < Number(many); n++) {
  analytics.track({ userId: `node-${n % 7}`, event: "Sent By Sdk", properties: { n } });
  if (n % 10 === 9) {
    console.log(n);
    await pause(20);
  }
}
await analytics.closeAndFlush();
console.log("done");
