// @ts-check
// What every page is wired with: live events, the ask box, the finding sheet, local times, buttons that are held.

import "./shell.js";
import "./local-time.js";
import "./narrow-tables.js";
import "./hold-button.js";
import "./frame-viewer.js";
import "./chat-log.js";
import "./link-question.js";
import "./sheet.js";
import "./once.js";
import { openStream } from "./live.js";

openStream();
