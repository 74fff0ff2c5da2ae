// Uses the types that Modelina makes of the AsyncAPI document. It has to compile with --strict.
// Modelina puts "reserved" before names that are words of JavaScript or of browsers.

import { ErrorFrame } from "./ErrorFrame";
import { MessageNewEventFrame } from "./MessageNewEventFrame";
import { MessageSendRequestFrame } from "./MessageSendRequestFrame";
import { SessionEndedReason } from "./SessionEndedReason";

export const sent: MessageSendRequestFrame = {
  id: "1",
  action: "message.send",
  data: { clientId: "x", chatId: "y", content: { kind: "text", reservedText: "hi" } },
};

export function read(frame: MessageNewEventFrame | ErrorFrame): string {
  return "re" in frame ? frame.error.message : frame.data.content.reservedText;
}

export const reason: SessionEndedReason = SessionEndedReason.SIGNED_OUT;
