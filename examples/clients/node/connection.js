// How to reach Quintet and how to read its errors. Copy this file into a platform as it is.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import protoLoader from '@grpc/proto-loader';
import protobuf from 'protobufjs';

const SERVICE = 'quintet.coordinator.v1.CoordinatorService';
const PROTOS = fileURLToPath(new URL('../../../protos', import.meta.url));
// protobufjs brings google/api/annotations.proto, which the contract imports; google/api/field_behavior.proto is beside this file.
const GOOGLEAPIS = fileURLToPath(new URL('.', import.meta.resolve('protobufjs/package.json')));
const HERE = fileURLToPath(new URL('.', import.meta.url));

// Every call gets a deadline, so that a slow answer never holds up a page; it covers all tries together.
const DEADLINE_MS = 5_000;

// The channel tries a call again while the coordinator cannot be reached, and where one stopped before it took the
// call up (CANCELLED), but only calls that may be repeated without harm: reads, and writes that carry an id of ours
// (`event_id`, `feedback_id`), which Quintet records once. Registering and erasing are not among them: a second try
// would answer ALREADY_EXISTS or NOT_FOUND although the first succeeded.
const REPEATABLE = [
  'GetCustomerProfile',
  'GetProduct',
  'GetRecommendations',
  'GetSimilarProducts',
  'RankProducts',
  'RecordEvent',
  'RecordFeedback',
  'UpdatePrices',
];
const SERVICE_CONFIG = {
  methodConfig: [
    {
      name: REPEATABLE.map((method) => ({ service: SERVICE, method })),
      retryPolicy: {
        maxAttempts: 4,
        initialBackoff: '0.1s',
        maxBackoff: '1s',
        backoffMultiplier: 2,
        retryableStatusCodes: ['UNAVAILABLE', 'CANCELLED'],
      },
    },
  ],
};

// Messages become plain objects with the contract's own field names. 64-bit numbers become JavaScript numbers, exact up
// to 2^53: enough for any amount of money in cents. Fields that were not sent have their defaults, messages null.
const LOADING = { includeDirs: [PROTOS, GOOGLEAPIS, HERE], keepCase: true, longs: Number, enums: String, defaults: true };

/**
 * Return a client of the coordinator. Make one for a process, share it, and `close()` it at the end.
 *
 * `ca` is the PEM file of the CA that the coordinator is known by and turns TLS on; `key` is the platform's API key.
 * Both are needed wherever the coordinator is not on the same machine.
 */
export function connect(address, ca, key) {
  const definition = protoLoader.loadSync('quintet/coordinator/v1/coordinator_service.proto', LOADING);
  const { CoordinatorService } = grpc.loadPackageDefinition(definition).quintet.coordinator.v1;
  const credentials = ca ? grpc.credentials.createSsl(readFileSync(ca)) : grpc.credentials.createInsecure();
  return new CoordinatorService(address, credentials, {
    'grpc.service_config': JSON.stringify(SERVICE_CONFIG),
    interceptors: key ? [withKey(key)] : [],
  });
}

/** Show the API key with every call. */
function withKey(key) {
  return (options, nextCall) =>
    new grpc.InterceptingCall(nextCall(options), {
      start(metadata, listener, next) {
        metadata.set('authorization', `Bearer ${key}`);
        next(metadata, listener);
      },
    });
}

/** Call a method as a promise: it resolves to the answer or rejects with the error, which has `code` and `details`. */
export function call(client, method, request) {
  return new Promise((resolve, reject) => {
    client[method](request, withDeadline(), (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

/** Send requests as a stream to a method that takes one; a promise of its answer. */
export function send(client, method, requests) {
  return new Promise((resolve, reject) => {
    const stream = client[method](withDeadline(), (error, answer) => (error ? reject(error) : resolve(answer)));
    for (const request of requests) stream.write(request); // few: for many, wait for 'drain' when write() says false
    stream.end();
  });
}

function withDeadline() {
  return { deadline: Date.now() + DEADLINE_MS };
}

/** Return the name of an error's status, such as `INVALID_ARGUMENT`. */
export function statusName(error) {
  return grpc.status[error.code];
}

// The two public messages that errors carry their facts in (googleapis: google/rpc/status.proto, error_details.proto),
// as far as they are read here.
const rpc = protobuf.parse(`
  syntax = "proto3";
  package google.rpc;
  message Any { string type_url = 1; bytes value = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message FieldViolation { string field = 1; string description = 2; }
  message BadRequest { repeated FieldViolation field_violations = 1; }
`, { keepCase: true }).root;

/** Return which fields were wrong and why, out of the trailer `grpc-status-details-bin`; empty for other errors. */
export function fieldViolations(error) {
  const [bytes] = error.metadata.get('grpc-status-details-bin');
  if (!bytes) return [];
  return rpc
    .lookupType('google.rpc.Status')
    .decode(bytes)
    .details.filter((detail) => detail.type_url.endsWith('/google.rpc.BadRequest'))
    .flatMap((detail) => rpc.lookupType('google.rpc.BadRequest').decode(detail.value).field_violations)
    .map(({ field, description }) => ({ field, description }));
}
