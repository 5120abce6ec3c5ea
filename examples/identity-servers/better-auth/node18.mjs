// Node 18 has what Better Auth calls `crypto` under another name.

import { webcrypto } from "node:crypto";

globalThis.crypto ??= webcrypto;
