// Runs mqtt.js clients for the Python tests: one JSON command per line on stdin, one JSON line per event on stdout.
"use strict";

const readline = require("node:readline");
const mqtt = require("mqtt");

// mqtt.js sends whatever it is given, even past the broker's receive maximum, so a polite user keeps below it.
const PIPELINE = 8;

const clients = new Map();

function emit(event) {
  process.stdout.write(JSON.stringify(event) + "\n");
}

function base64(bytes) {
  return Buffer.from(bytes).toString("base64");
}

function connect(command) {
  return new Promise((resolve, reject) => {
    const client = mqtt.connect({ ...command.options, reconnectPeriod: 0, resubscribe: false });
    clients.set(command.client, client);
    client.once("connect", (connack) => resolve({ sessionPresent: connack.sessionPresent }));
    client.once("error", reject);
    client.on("message", (topic, payload, packet) => {
      const properties = { ...(packet.properties ?? {}) };
      if (properties.correlationData !== undefined) {
        properties.correlationData = base64(properties.correlationData);
      }
      emit({
        message: command.client,
        topic,
        payload: base64(payload),
        qos: packet.qos,
        retain: packet.retain,
        properties,
      });
    });
  });
}

function publishOne(client, message) {
  const options = { qos: message.qos, retain: message.retain };
  if (message.properties) {
    options.properties = { ...message.properties };
    if (options.properties.correlationData !== undefined) {
      options.properties.correlationData = Buffer.from(options.properties.correlationData, "base64");
    }
  }
  return client.publishAsync(message.topic, Buffer.from(message.payload, "base64"), options);
}

const actions = {
  connect,
  async subscribe(command) {
    const client = clients.get(command.client);
    const { qos, nl, rap, rh, properties } = command;
    const granted = await client.subscribeAsync(command.filter, { qos, nl, rap, rh, properties });
    return { granted: granted[0].qos };
  },
  async unsubscribe(command) {
    await clients.get(command.client).unsubscribeAsync(command.filter);
    return {};
  },
  async publish(command) {
    const client = clients.get(command.client);
    for (let start = 0; start < command.messages.length; start += PIPELINE) {
      await Promise.all(command.messages.slice(start, start + PIPELINE).map((message) => publishOne(client, message)));
    }
    return {};
  },
  async disconnect(command) {
    await clients.get(command.client).endAsync();
    clients.delete(command.client);
    return {};
  },
  async abandon(command) {
    await clients.get(command.client).endAsync(true);
    clients.delete(command.client);
    return {};
  },
};

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const command = JSON.parse(line);
  actions[command.action](command).then(
    (result) => emit({ answer: command.request, ...result }),
    (error) => emit({ answer: command.request, error: String(error.message ?? error), code: error.code ?? null }),
  );
}).on("close", () => process.exit(0));
